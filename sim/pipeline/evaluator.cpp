#include "sim/pipeline/evaluator.hpp"

namespace shoal::pipeline {

Evaluator::Evaluator(const Policy& policy, const UserPool& pool, std::int64_t questions, const at::Tensor& untrained,
                     std::uint64_t seed, std::int64_t replicate)
    : pool_(pool), worker_(policy.rollout_worker()), untrained_(untrained) {
  const RandomKey key = random_key(seed, "agents/serving");
  for (std::int64_t u = 0; u < std::ssize(pool.users); ++u) {
    for (int i = 0; i < questions; ++i) {
      // Users count their sessions from 1, so session 0 has draws that no user has.
      RandomStream random = turn_stream(key, replicate, {u, 0, i});
      const talk::Conversation opening(pool.users[u], pool.behaviour, random);
      cases_.push_back({&pool.users[u], opening.question(), opening.prompt(), random});
    }
  }
}

std::vector<Reply> Evaluator::replies(const at::Tensor& weights) {
  std::vector<std::span<const Token>> prompts;
  std::vector<RandomStream> random;
  for (const Case& c : cases_) {
    prompts.emplace_back(c.prompt);
    random.push_back(c.random);
  }
  std::vector<Reply> replies(cases_.size());
  worker_->load(weights);
  worker_->reply(prompts, pool_.temperature, random, replies);
  return replies;
}

// Adds entropy and KL divergence over all positions. The worker has `weights` loaded.
void Evaluator::compare(std::span<const Exchange> exchanges, Quality& quality) {
  const at::Tensor current = worker_->log_probs(exchanges).contiguous();
  worker_->load(untrained_);
  const at::Tensor untrained = worker_->log_probs(exchanges).contiguous();
  const double *p = current.const_data_ptr<double>(), *q = untrained.const_data_ptr<double>();
  for (std::int64_t i = 0; i < current.numel(); ++i) {
    const double share = std::exp(p[i]);
    if (share == 0) continue;
    quality.entropy -= share * p[i];
    quality.kl += share * (p[i] - q[i]);
  }
}

Quality Evaluator::measure(const at::Tensor& weights) {
  Quality quality;
  if (cases_.empty()) return quality;
  const std::vector<Reply> replies = this->replies(weights);
  std::vector<Exchange> exchanges;
  for (std::size_t i = 0; i < cases_.size(); ++i) {
    const Case& c = cases_[i];
    const std::span<const Token> reply(replies[i].tokens);
    quality.rule_rate += std::ranges::all_of(c.user->rules, [&](talk::Rule rule) { return satisfies(rule, reply); });
    quality.correctness += talk::is_correct(c.question, reply);
    exchanges.push_back({c.prompt, reply, pool_.temperature});
  }
  compare(exchanges, quality);
  const double count = cases_.size(), tokens = positions(exchanges);
  quality.rule_rate /= count;
  quality.correctness /= count;
  quality.length = tokens / count;
  quality.entropy /= tokens;
  quality.kl /= tokens;
  return quality;
}

}  // namespace shoal::pipeline
