#pragma once
// A policy whose tokens show which weights sampled them, parts around it, and a pipeline from settings as text.

#include <ATen/ops/full.h>
#include <ATen/ops/zeros.h>

#include <cmath>
#include <map>
#include <set>

#include "sim/pipeline/pipeline.hpp"

namespace shoal::pipeline {

// Every reply is `length - 1` times the token of the weights' version, then the end token. The one weight falls by the
// learning rate with every update, so at rate 1 it is minus the version. In steps, it notes the version of each token.
class Stamped final : public Policy {
 public:
  explicit Stamped(std::size_t length) : length_(length) { layout_.add("version", {1}); }

  mutable std::vector<std::int64_t> stepped;  // versions of the tokens that were sampled in steps, in order

  static constexpr Token token_of(std::int64_t version) {
    return talk::filler_tokens[version % talk::filler_tokens.size];
  }
  const ParameterLayout& layout() const override { return layout_; }
  at::Tensor initial_parameters() const override { return at::zeros({1}); }
  double flops_per_token() const override { return 1; }
  std::unique_ptr<RolloutWorker> rollout_worker() const override { return std::make_unique<Worker>(*this); }

 private:
  class Steps final : public Generation {
   public:
    Steps(const Stamped& policy, std::int64_t version) : policy_(policy), version_(version), left_(policy.length_) {}
    bool step(std::int64_t tokens, RandomStream&, Reply& reply) override {
      for (; tokens > 0 && left_ > 0; --tokens) {
        reply.tokens.push_back(--left_ > 0 ? token_of(version_) : talk::end_token);
        reply.log_probs.push_back(-static_cast<double>(version_));
        policy_.stepped.push_back(version_);
      }
      return left_ > 0;
    }

   private:
    const Stamped& policy_;
    std::int64_t version_, left_;
  };
  class Worker final : public RolloutWorker {
   public:
    explicit Worker(const Stamped& policy) : policy_(policy), length_(policy.length_) {}
    void load(const at::Tensor& params) override { version_ = std::llround(-params.const_data_ptr<float>()[0]); }
    void reply(std::span<const std::span<const Token>> prompts, double, std::span<RandomStream>,
               std::span<Reply> replies) override {
      for (std::size_t i = 0; i < prompts.size(); ++i) {
        replies[i].tokens.assign(length_ - 1, token_of(version_));
        replies[i].tokens.push_back(talk::end_token);
        replies[i].log_probs.assign(length_, log_prob());
      }
    }
    at::Tensor log_probs(std::span<const Exchange> exchanges) override {
      return at::full({positions(exchanges), talk::vocabulary}, log_prob(), at::kDouble);
    }
    void add_gradient(std::span<const Exchange>, const at::Tensor&, at::Tensor& gradient) override {
      gradient.mutable_data_ptr<float>()[0] += 1;
    }
    std::unique_ptr<Generation> generate(std::span<const Token>, double) override {
      return std::make_unique<Steps>(policy_, version_);
    }

   private:
    double log_prob() const { return -version_; }

    const Stamped& policy_;
    std::size_t length_;
    std::int64_t version_ = 0;
  };

  std::size_t length_;
  ParameterLayout layout_;
};

// Takes every reply.
class Anything final : public Objective {
 public:
  bool takes(const Signals&) const override { return true; }
  double loss(const Sample&, RowView<double>) const override { return 0; }
};

// Votes for the truth, and NaN with probability `nan`.
class Truth final : public Judge {
 public:
  explicit Truth(double nan = 0) : nan_(nan) {}
  Judgement judge(const Evidence& evidence, RandomStream& random) const override {
    return {.reward = random.uniform() < nan_ ? std::nan("") : evidence.reward,
            .hint = evidence.directive ? Hint::right : Hint::none};
  }

 private:
  double nan_;
};

// A pipeline from settings as text: `task` has those of [task], `toml` those of [pipeline].
struct Scene {
  Scene(std::unique_ptr<Policy> with, const std::string& task, const std::string& toml, std::int64_t users,
        std::int64_t until = 0, double nan = 0)
      : policy(std::move(with)),
        judge(std::make_unique<Truth>(nan)),
        task_settings(Settings::parse(task, "task.toml")),
        pipeline_settings(Settings::parse(toml, "pipeline.toml")),
        pool{.users = {},
             .behaviour = talk::UserBehaviour(task_settings),
             .sessions = task_settings.integer("sessions", 10, "sessions of each user")},
        learning(task_settings),
        pipeline(pipeline_settings),
        updates(until) {
    for (int u = 0; u < users; ++u) {
      pool.users.push_back({.topic = u % talk::topics, .rules = {static_cast<talk::Rule>(u % 3)}});
    }
    task_settings.finish();
    pipeline_settings.finish();
  }

  Setup setup() const {
    return {.policy = *policy,
            .objective = *objective,
            .judge = *judge,
            .initial = policy->initial_parameters(),
            .pool = pool,
            .pipeline = pipeline,
            .learning = learning,
            .updates = updates,
            .questions = questions};
  }
  Result run(std::int64_t replicate = 0, std::uint64_t seed = 1) const {
    return pipeline::run(setup(), seed, replicate, Keep::trace);
  }

  std::unique_ptr<Policy> policy;
  std::unique_ptr<Objective> objective = std::make_unique<Anything>();
  std::unique_ptr<Judge> judge;
  Settings task_settings, pipeline_settings;
  UserPool pool;
  LearningSettings learning;
  PipelineSettings pipeline;
  std::int64_t updates, questions = 0;
};

inline std::vector<TraceEntry> of_kind(const Result& result, TraceEntry::Kind kind) {
  std::vector<TraceEntry> found;
  for (const TraceEntry& e : result.trace) {
    if (e.kind == kind) found.push_back(e);
  }
  return found;
}

inline std::int64_t all_dropped(const Result& result) {
  std::int64_t sum = 0;
  for (const std::int64_t n : result.dropped) sum += n;
  return sum;
}

inline std::int64_t dropped(const Result& result, Reason reason) { return result.dropped[static_cast<int>(reason)]; }

}  // namespace shoal::pipeline
