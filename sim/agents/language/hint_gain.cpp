#include "sim/agents/language/hint_gain.hpp"

#include <cmath>

#include "sim/agents/users/conversation.hpp"

namespace shoal {
namespace {

constexpr int questions = 600;

// Log-probability of a reply whose first position has the row `rows`; advances `rows` past its last one.
double log_prob(const double*& rows, std::int64_t vocabulary, std::span<const Token> reply) {
  double sum = 0;
  for (const Token token : reply) {
    sum += rows[token];
    rows += vocabulary;
  }
  return sum;
}

// A question without and with a hint, and a reply that satisfies the hint's rule.
struct Case {
  std::vector<Token> plain, hinted, reply;
};

std::vector<Case> draw_cases(std::uint64_t seed) {
  std::vector<Case> cases;
  const talk::UserBehaviour behaviour;
  for (int i = 0; i < questions; ++i) {
    RandomStream random(random_key(seed, "agents/hint_gain"), i);
    const auto rule = static_cast<talk::Rule>(i % talk::rules);
    talk::User user{.rules = {rule}};
    user.topic = random.below(talk::topics);
    const talk::Conversation conversation(user, behaviour, random);
    Case one{.plain = conversation.prompt(), .hinted = {}, .reply = {}};
    one.hinted = talk::Conversation::hinted(one.plain, std::vector<Token>{talk::token_of(rule)});
    one.reply = talk::model_reply(conversation.question(), {&rule, 1}, random);
    cases.push_back(std::move(one));
  }
  return cases;
}

HintGain with_interval(std::span<const double> gains) {
  double sum = 0, squares = 0;
  for (const double gain : gains) {
    sum += gain;
    squares += gain * gain;
  }
  const double mean = sum / questions;
  const double variance = (squares - questions * mean * mean) / (questions - 1);
  constexpr double quantile = 1.959964;  // 0.975 of the standard normal distribution
  const double half = quantile * std::sqrt(variance / questions);
  return {.mean = mean, .low = mean - half, .high = mean + half};
}

}  // namespace

HintGain hint_gain(const Policy& policy, const at::Tensor& params, std::uint64_t seed) {
  const std::vector<Case> cases = draw_cases(seed);
  std::vector<Exchange> exchanges;
  for (const Case& one : cases) {
    exchanges.push_back({one.hinted, one.reply});
    exchanges.push_back({one.plain, one.reply});
  }
  const std::unique_ptr<RolloutWorker> worker = policy.rollout_worker();
  worker->load(params);
  const at::Tensor table = worker->log_probs(exchanges);
  const double* rows = table.const_data_ptr<double>();
  std::vector<double> gains;
  for (const Case& one : cases) {
    const double with = log_prob(rows, table.size(1), one.reply);
    gains.push_back(with - log_prob(rows, table.size(1), one.reply));
  }
  return with_interval(gains);
}

}  // namespace shoal
