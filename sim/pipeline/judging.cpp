#include "sim/pipeline/judging.hpp"

#include "sim/pipeline/users.hpp"

namespace shoal::pipeline {

Judging::Judging(Ledger& ledger, const Judge& judge, const JudgingSettings& settings, std::int64_t capacity,
                 std::uint64_t seed, std::int64_t replicate)
    : ledger_(ledger),
      judge_(judge),
      settings_(settings),
      key_(random_key(seed, "agents/judging")),
      replicate_(replicate),
      waiting_(capacity) {}

void Judging::submit(std::int64_t number, const FollowUp& state, Ticks now, EventHeap& events) {
  if (!submitted_.insert(ledger_.at(number).key).second) {
    ++counters_.repeated;
    return;
  }
  ledger_.move(number, TurnStage::collected, TurnStage::judging);
  states_.emplace(number, state);
  if (const auto oldest = waiting_.push(number)) {
    states_.erase(*oldest);
    ledger_.drop(*oldest, Reason::overflow);
  }
  start_waiting(now, events);
}

void Judging::start_waiting(Ticks now, EventHeap& events) {
  while (!paused_ && !waiting_.empty() && std::ssize(running_) < settings_.workers) {
    start(waiting_.pop(), now, events);
  }
}

void Judging::start(std::int64_t number, Ticks now, EventHeap& events) {
  const TurnKey& key = ledger_.at(number).key;
  Running running{.state = states_.extract(number).mapped(),
                  .random = turn_stream(key_, replicate_, key),
                  .judgement = {},
                  .since = now};
  Ticks duration = settings_.duration.draw(running.random);
  running.fails = running.random.uniform() < settings_.failure;
  if (running.fails) ++counters_.failed;
  running.judgement = judge_.judge(running.state.evidence, running.random);
  const double own = running.judgement.seconds;  // 0 if the judge does not model the duration of its calls
  if (own > 0) duration = ticks(std::min(own, Duration::longest));
  if (duration > ticks(settings_.timeout)) {
    if (!running.fails) ++counters_.timed_out;
    running.fails = true;
    duration = ticks(settings_.timeout);
  }
  events.push({now + duration, PipelineEvent::Kind::judged, key.user, number});
  running_.emplace(number, running);
}

void Judging::finish(std::int64_t number, Ticks now, EventHeap& events) {
  const auto at = running_.find(number);
  ensure(at != running_.end(), "the judgement of turn {} ends but was not started", number);
  if (!at->second.fails) decide(ledger_.at(number), at->second);
  counters_.busy = counters_.busy + (now - at->second.since);
  running_.erase(at);
  start_waiting(now, events);
}

void Judging::decide(Turn& turn, Running& running) {
  const Judgement& judgement = running.judgement;
  if (judgement.reward > 0) {
    ++counters_.positive;
  } else if (judgement.reward < 0) {
    ++counters_.negative;
  } else {
    ++counters_.neutral;
  }
  turn.sample.signals.reward = judgement.reward;
  if (judgement.hint == Hint::none || !running.state.said) return;
  ++counters_.hints;
  const std::vector<Token> hint = talk::hint_tokens(judgement.hint, *running.state.said, running.random);
  turn.sample.hinted = {talk::Conversation::hinted(turn.sample.prompt, hint)};
  turn.sample.signals.hints = 1;
}

JudgingCounters Judging::counters(Ticks now) const {
  JudgingCounters counters = counters_;
  for (const auto& [number, running] : running_) counters.busy = counters.busy + (now - running.since);
  return counters;
}

void Judging::resume(Ticks now, EventHeap& events) {
  paused_ = false;
  start_waiting(now, events);
}

}  // namespace shoal::pipeline
