// Quantity skew: clients hold unequal numbers of examples, in proportions drawn from Dirichlet(beta, ..., beta), but
// labels are IID. NIID-Bench, Li et al., ICDE 2022 (arXiv 2102.02079): q ~ Dir(beta); its experiments use
// beta = 0.5 and draw again until every client has 10 examples (`minimum`). Clients may be empty otherwise.
#include <algorithm>
#include <numeric>
#include <vector>

#include "datasets/dealt.hpp"
#include "datasets/proportions.hpp"

namespace shoal::partitions {
namespace {

constexpr std::int64_t most_tries = 1000;

class Quantity final : public Partition {
 public:
  explicit Quantity(Settings& s)
      : clients_(clients_setting(s)),
        beta_(s.number("beta", 0.5, "concentration: the smaller, the more unequal the clients", between(1e-6, 1e6))),
        minimum_(s.integer("minimum", 0, "draw again until every client has at least this many examples",
                           between(0, 2147483647))),
        where_(s.where()) {}

  std::unique_ptr<ClientExamples> deal(const Examples& train, std::uint64_t seed) const override {
    if (minimum_ > train.count() / clients_) {
      user_error(
          "{}: {} clients with {} examples or more each need {} (the data set has {} for training). Lower "
          "'clients' or 'minimum'?",
          where_, clients_, minimum_, clients_ * minimum_, train.count());
    }
    const RandomKey key = random_key(seed, Purpose::partition);
    const std::vector<std::int32_t> cuts = accepted_cuts(train.count(), key);
    std::vector<std::int32_t> order(train.labels.size());
    std::iota(order.begin(), order.end(), 0);
    RandomStream random(key, 0);
    shuffle(std::span(order), random);
    std::vector<std::int32_t> owner(order.size());
    for (std::size_t c = 0; c + 1 < cuts.size(); ++c) {
      for (std::int32_t i = cuts[c]; i < cuts[c + 1]; ++i) {
        owner[static_cast<std::size_t>(order[static_cast<std::size_t>(i)])] = static_cast<std::int32_t>(c);
      }
    }
    return dealt(owner, clients_);
  }

 private:
  /// Cuts drawn until each client has its minimum. Keyed by the try; try 0 is the shuffle.
  std::vector<std::int32_t> accepted_cuts(std::int64_t examples, RandomKey key) const {
    std::int32_t best = 0;
    for (std::int64_t attempt = 1; attempt <= most_tries; ++attempt) {
      RandomStream random(key, 0, attempt);
      std::vector<std::int32_t> cuts = dirichlet_cuts(clients_, beta_, examples, random);
      std::int32_t smallest = cuts[1] - cuts[0];
      for (std::size_t c = 1; c + 1 < cuts.size(); ++c) smallest = std::min(smallest, cuts[c + 1] - cuts[c]);
      if (smallest >= minimum_) return cuts;
      best = std::max(best, smallest);
    }
    user_error(
        "{}: no draw in {} gave every client {} examples or more (at best the smallest of {} clients had {}, "
        "beta {}). Lower 'minimum' or 'clients', or raise 'beta'?",
        where_, most_tries, minimum_, clients_, best, beta_);
  }

  std::int64_t clients_;
  double beta_;
  std::int64_t minimum_;
  std::string where_;
};

}  // namespace

std::unique_ptr<Partition> quantity(Settings& settings) { return std::make_unique<Quantity>(settings); }

}  // namespace shoal::partitions
