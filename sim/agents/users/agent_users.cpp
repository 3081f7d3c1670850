#include "sim/agents/users/agent_users.hpp"

#include <algorithm>
#include <cmath>

namespace shoal {
namespace {

using Shares = std::array<double, AgentUsers::tastes>;

// Dirichlet(a, ..., a), from logarithms of gamma variates: for small a the variates themselves underflow to zero.
Shares dirichlet(double a, RandomStream& random) {
  Shares shares;
  for (double& share : shares) share = std::log(random.gamma(a + 1)) + std::log(1 - random.uniform()) / a;
  const double largest = std::ranges::max(shares);
  double sum = 0;
  for (double& share : shares) {
    share = std::exp(share - largest);
    sum += share;
  }
  for (double& share : shares) share /= sum;
  return shares;
}

// An index drawn in proportion to the shares, by inversion.
int draw(Shares shares, double uniform) {
  double sum = 0;
  for (const double share : shares) sum += share;
  double left = uniform * sum;
  int last = 0;
  for (int i = 0; i < AgentUsers::tastes; ++i) {
    if (shares[i] == 0) continue;
    last = i;
    if (left < shares[i]) break;
    left -= shares[i];
  }
  return last;
}

}  // namespace

AgentUsers::AgentUsers(const Settings& s, std::uint64_t seed)
    : concentration_(
          s.number("concentration", 0.5,
                   "Dirichlet parameter of the users' rules within a topic; the smaller, the more alike they are",
                   {.least = 1e-6, .most = 1e6})),
      conflicts_(
          s.number("conflicts", 0, "share of users who want the opposite of the rules they drew", between(0, 1))),
      two_rules_(s.number("two_rules", 0, "share of users with a second rule", between(0, 1))),
      key_(random_key(seed, "agents/population")) {
  for (int topic = 0; topic < talk::topics; ++topic) {
    RandomStream random(key_, -1 - topic);
    proportions_[topic] = dirichlet(concentration_, random);
  }
}

talk::User AgentUsers::user(std::int64_t number) const {
  RandomStream random(key_, number);
  talk::User user;
  user.topic = random.below(talk::topics);
  const double first_draw = random.uniform(), has_second = random.uniform(), second_draw = random.uniform();
  const bool opposes = random.uniform() < conflicts_;
  const auto add = [&](int taste) {
    const auto rule = static_cast<talk::Rule>(taste);
    user.rules.push_back(opposes ? talk::opposite(rule) : rule);
  };
  Shares shares = proportions(user.topic);
  const int first = draw(shares, first_draw);
  add(first);
  if (has_second < two_rules_) {
    // A taste other than the first, which it never contradicts; uniform where the topic has none of the others.
    shares[first] = 0;
    if (std::ranges::all_of(shares, [](double share) { return share == 0; })) {
      shares.fill(1);
      shares[first] = 0;
    }
    add(draw(shares, second_draw));
  }
  return user;
}

}  // namespace shoal
