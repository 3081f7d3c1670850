#include "sim/pipeline/judging.hpp"

namespace shoal::pipeline {

Judging::Judging(const Setup& setup, const RunKey& run)
    : judge_(setup.judge),
      settings_(setup.pipeline.judging),
      reports_level_(setup.pipeline.training.admission),
      key_(random_key(run.seed, "agents/judging")),
      replicate_(run.replicate),
      keep_(run.keep),
      waiting_(setup.pipeline.capacity) {}

std::vector<Letter> Judging::handle(const Letter& letter, Ticks now) {
  if (stopped_) return {};
  Outbox out(endpoints::judging, now);
  switch (subject(letter)) {
    case Subject::to_judge:
      submit(unpack<ToJudge>(letter), out);
      break;
    case Subject::judged:
      finish(unpack<Timer>(letter).number, out);
      break;
    case Subject::pause:
      pause();
      break;
    case Subject::resume:
      resume(out);
      break;
    case Subject::ledger:
      pass_ledger(Subject::ledger, unpack<Ledger>(letter), out);
      break;
    case Subject::stop:
      stopped_ = true;
      out.send(endpoints::auditor, Subject::judging_report, counters(now));
      pass_ledger(Subject::stop, unpack<Ledger>(letter), out);
      return out.take();
    default:
      refuse(letter);
  }
  report_level(out);
  return out.take();
}

void Judging::submit(ToJudge order, Outbox& out) {
  if (!order.state) return out.send(endpoints::training, Subject::to_train, order.turn);
  if (!submitted_.insert(order.turn.key).second) {
    ++counters_.repeated;
    return;
  }
  if (waiting_.push(std::move(order))) ledger_.drop(Reason::overflow);
  start_waiting(out);
}

void Judging::start_waiting(Outbox& out) {
  while (!paused_ && !waiting_.empty() && std::ssize(running_) < settings_.workers) start(waiting_.pop(), out);
}

void Judging::start(ToJudge order, Outbox& out) {
  const TurnKey key = order.turn.key;
  const std::int64_t number = order.turn.number;
  Running running{
      .order = std::move(order), .random = turn_stream(key_, replicate_, key), .judgement = {}, .since = out.now()};
  Ticks duration = settings_.duration.draw(running.random);
  running.fails = running.random.uniform() < settings_.failure;
  if (running.fails) ++counters_.failed;
  running.judgement = judge_.judge(running.order.state->evidence, running.random);
  const double own = running.judgement.seconds;  // 0 if the judge does not model the duration of its calls
  if (own > 0) duration = ticks(std::min(own, Duration::longest));
  if (duration > ticks(settings_.timeout)) {
    if (!running.fails) ++counters_.timed_out;
    running.fails = true;
    duration = ticks(settings_.timeout);
  }
  out.later(out.now() + duration, Subject::judged, key.user, number);
  ensure(running_.emplace(number, std::move(running)).second, "turn {} is judged twice at one time", number);
}

void Judging::finish(std::int64_t number, Outbox& out) {
  const auto at = running_.find(number);
  ensure(at != running_.end(), "the judgement of turn {} ends but was not started", number);
  if (!at->second.fails) decide(at->second);
  counters_.busy = counters_.busy + (out.now() - at->second.since);
  const Turn turn = std::move(at->second.order.turn);
  running_.erase(at);
  start_waiting(out);
  if (keep_ == Keep::trace) {
    out.send(endpoints::auditor, Subject::note,
             TraceEntry{.time = out.now(), .kind = TraceEntry::Kind::judged, .turn = turn.key, .versions = {}});
  }
  out.send(endpoints::training, Subject::to_train, turn);
}

void Judging::decide(Running& running) {
  const Judgement& judgement = running.judgement;
  if (judgement.reward > 0) {
    ++counters_.positive;
  } else if (judgement.reward < 0) {
    ++counters_.negative;
  } else {
    ++counters_.neutral;
  }
  JudgedReply& sample = running.order.turn.sample;
  sample.signals.reward = judgement.reward;
  sample.signals.judged = judgement.valid > 0;
  const std::optional<talk::Rule>& said = running.order.state->said;
  if (judgement.hint == Hint::none || !said) return;
  ++counters_.hints;
  const std::vector<Token> hint = talk::hint_tokens(judgement.hint, *said, running.random);
  sample.hinted = {talk::Conversation::hinted(sample.prompt, hint)};
  sample.signals.hints = 1;
}

void Judging::resume(Outbox& out) {
  paused_ = false;
  start_waiting(out);
}

JudgingCounters Judging::counters(Ticks now) const {
  JudgingCounters counters = counters_;
  counters.longest_queue = waiting_.longest();
  for (const auto& [number, running] : running_) counters.busy = counters.busy + (now - running.since);
  return counters;
}

Ledger Judging::ledger() const {
  waiting_.check();
  Ledger ledger = ledger_;
  ledger.resident = resident();
  return ledger;
}

void Judging::pass_ledger(Subject subject, const Ledger& before, Outbox& out) const {
  out.send(endpoints::training, subject, ledger() += before);
}

void Judging::report_level(Outbox& out) {
  if (!reports_level_ || told_ == resident()) return;
  told_ = resident();
  out.send(endpoints::collection, Subject::judge_level, told_);
}

}  // namespace shoal::pipeline
