#include "sim/agents/hint_gain.hpp"

#include <cmath>

#include "sim/agents/conversation.hpp"

namespace shoal {
namespace {

constexpr int questions = 600;

double log_prob(const double*& rows, std::int64_t vocabulary, std::span<const Token> reply) {
  double sum = 0;
  for (const Token token : reply) {
    sum += rows[token];
    rows += vocabulary;
  }
  return sum;
}

}  // namespace

HintGain hint_gain(const Policy& policy, const at::Tensor& params, std::uint64_t seed) {
  struct Case {
    std::vector<Token> plain, hinted, reply;
  };
  std::vector<Case> cases;
  const talk::UserBehaviour behaviour;
  for (int i = 0; i < questions; ++i) {
    RandomStream random(random_key(seed, Purpose::agent_hint_gain), i);
    const auto rule = static_cast<talk::Rule>(i % talk::rules);
    const talk::User user{.topic = static_cast<int>(random.below(talk::topics)), .rules = {rule}};
    const talk::Conversation conversation(user, behaviour, random);
    Case one{.plain = conversation.prompt(), .hinted = {}, .reply = {}};
    one.hinted = talk::Conversation::hinted(one.plain, std::vector<Token>{talk::token_of(rule)});
    one.reply = talk::model_reply(conversation.question(), {&rule, 1}, random);
    cases.push_back(std::move(one));
  }
  std::vector<Exchange> exchanges;
  for (const Case& one : cases) {
    exchanges.push_back({one.hinted, one.reply});
    exchanges.push_back({one.plain, one.reply});
  }
  const std::unique_ptr<RolloutWorker> worker = policy.rollout_worker();
  worker->load(params);
  const at::Tensor table = worker->log_probs(exchanges);
  const double* rows = table.const_data_ptr<double>();
  double sum = 0, squares = 0;
  for (const Case& one : cases) {
    const double with = log_prob(rows, table.size(1), one.reply);
    const double gain = with - log_prob(rows, table.size(1), one.reply);
    sum += gain;
    squares += gain * gain;
  }
  const double mean = sum / questions;
  const double variance = (squares - questions * mean * mean) / (questions - 1);
  constexpr double quantile = 1.959964;  // 0.975 of the standard normal distribution
  const double half = quantile * std::sqrt(variance / questions);
  return {.mean = mean, .low = mean - half, .high = mean + half};
}

}  // namespace shoal
