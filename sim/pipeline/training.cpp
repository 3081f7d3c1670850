#include "sim/pipeline/training.hpp"

#include <ATen/ops/zeros_like.h>

#include <charconv>

#include "sim/agents/all_finite.hpp"
#include "sim/pipeline/staleness.hpp"

namespace shoal::pipeline {
namespace {

std::int64_t read_refresh(const Settings& s) {
  const std::string teacher =
      s.text("teacher", "frozen",
             "the policy that reads hints: frozen, the untrained one; live, the current one; refresh:K, "
             "the current one every K updates");
  if (teacher == "frozen") return 0;
  if (teacher == "live") return 1;
  std::int64_t every = 0;
  const std::string_view prefix = "refresh:";
  if (teacher.starts_with(prefix)) {
    const char* end = teacher.data() + teacher.size();
    const auto [at, error] = std::from_chars(teacher.data() + prefix.size(), end, every);
    if (error != std::errc{} || at != end) every = 0;
  }
  if (every < 1) {
    user_error("{}: unknown teacher \"{}\". Use \"frozen\", \"live\" or \"refresh:4\".", s.where(), teacher);
  }
  return every;
}

}  // namespace

LearningSettings::LearningSettings(const Settings& s)
    : batch(s.integer("batch", 16, "samples per update", between(1, 1 << 20))),
      rate(s.number("rate", 0.15, "learning rate of Adam; 0: no learning, the chance level", at_least(0))),
      kl_to_teacher(s.flag("anchor", false, "KL penalty to the teacher for replies without a hint too, as published")),
      refresh(read_refresh(s)) {}

Training::Training(Ledger& ledger, const Policy& policy, const Objective& objective, const LearningSettings& learning,
                   const TrainingSettings& settings, std::int64_t capacity, const at::Tensor& initial,
                   std::uint64_t seed, std::int64_t replicate)
    : ledger_(ledger),
      objective_(objective),
      learning_(learning),
      settings_(settings),
      learner_(policy, objective),
      queue_(std::max(capacity, learning.batch)),
      random_(random_key(seed, "agents/training"), replicate),
      weights_(initial),
      teacher_(initial),
      gradient_(at::zeros_like(initial)) {}

void Training::enqueue(std::int64_t number, TurnStage from) {
  JudgedReply& sample = ledger_.at(number).sample;
  if (!std::isfinite(sample.signals.reward) || !all_finite(sample.reply.log_probs))
    return ledger_.drop(number, Reason::not_finite);
  if (!objective_.takes(sample.signals)) return ledger_.drop(number, Reason::no_signal);
  sample.draw = random_.uniform();
  ledger_.move(number, from, TurnStage::queued);
  if (const auto oldest = queue_.push(number)) ledger_.drop(*oldest, Reason::overflow);
}

bool Training::full() {
  queue_.remove_if([&](std::int64_t number) {
    if (staleness(version_, ledger_.at(number).versions) <= settings_.eta) return false;
    ledger_.drop(number, Reason::stale);
    return true;
  });
  return queue_.size() >= learning_.batch;
}

std::vector<JudgedReply> Training::take_batch() {
  last_batch_.clear();
  std::vector<JudgedReply> batch;
  bool negative = true;  // all votes so far
  while (std::ssize(batch) < learning_.batch) {
    const std::int64_t number = queue_.pop();
    count_staleness(number);
    batch.push_back(ledger_.consume(number));
    negative = negative && batch.back().signals.reward < 0;
    last_batch_.push_back(number);
  }
  if (negative) ++counters_.all_negative;
  if (settings_.drops_leftover) {
    queue_.remove_if([&](std::int64_t number) {
      ledger_.drop(number, Reason::leftover);
      return true;
    });
  }
  return batch;
}

void Training::count_staleness(std::int64_t number) {
  for (const std::int64_t version : ledger_.at(number).versions) {
    const std::int64_t age = version_ - version;
    ensure(age <= settings_.eta, "a token of version {} is trained from version {}", version, version_);
    ++counters_.staleness[std::min<std::size_t>(age, TrainingCounters::bins - 1)];
  }
}

void Training::train() {
  const std::vector<JudgedReply> batch = take_batch();
  const BatchMeasures measures =
      learner_.gradient({.current = weights_, .old = {}, .teacher = teacher_, .kl_to_teacher = learning_.kl_to_teacher},
                        batch, gradient_);
  counters_.rejected += measures.rejected;
  if (!std::isfinite(measures.gradient_norm)) {
    ++counters_.skipped;
    next_ = weights_;
    return;
  }
  if (measures.gradient_norm > settings_.alarm) ++counters_.alarms;
  next_ = adam_.apply(weights_, gradient_, learning_.rate);
}

void Training::finish() {
  weights_ = next_;
  ++version_;
  if (learning_.refresh > 0 && version_ % learning_.refresh == 0) teacher_ = weights_;
}

}  // namespace shoal::pipeline
