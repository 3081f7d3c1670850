#include "sim/pipeline/training.hpp"

#include <ATen/ops/zeros_like.h>

#include "sim/agents/all_finite.hpp"
#include "sim/pipeline/staleness.hpp"

namespace shoal::pipeline {

Training::Training(const Setup& setup, const RunKey& run)
    : objective_(setup.objective),
      learning_(setup.learning),
      settings_(setup.pipeline.training),
      travel_(ticks(setup.pipeline.serving.hand_over_seconds)),
      measured_(setup.questions > 0 ? most_measured : 0),
      keep_(run.keep),
      learner_(setup.policy, setup.objective),
      rule_(setup.pipeline.serving.hand_over, settings_.one_behind),
      queue_(std::max(setup.pipeline.capacity, learning_.batch)),
      random_(random_key(run.seed, "agents/training"), run.replicate),
      weights_(setup.initial),
      teacher_(setup.initial),
      gradient_(at::zeros_like(setup.initial)) {}

std::vector<Letter> Training::handle(const Letter& letter, Ticks now) {
  if (stopped_) return {};
  Outbox out(endpoints::training, now);
  switch (subject(letter)) {
    case Subject::to_train:
      enqueue(unpack<Turn>(letter));
      break;
    case Subject::drained:
      rule_.drained();
      break;
    case Subject::trained:
      finish(out);
      break;
    case Subject::handed_over:
      hand_over(out);
      break;
    case Subject::ledger:
      out.send(endpoints::auditor, Subject::ledger, ledger() += unpack<Ledger>(letter));
      return out.take();
    case Subject::stop:
      stop(unpack<Ledger>(letter), out);
      return out.take();
    default:
      refuse(letter);
  }
  settle(out);
  report_level(out);
  return out.take();
}

void Training::enqueue(Turn turn) {
  JudgedReply& sample = turn.sample;
  ensure(sample.reply.log_probs.size() == sample.reply.tokens.size(), "turn {} is cut and was not dropped",
         turn.number);
  if (!std::isfinite(sample.signals.reward) || !all_finite(sample.reply.log_probs)) {
    return ledger_.drop(Reason::not_finite);
  }
  if (!objective_.takes(sample.signals)) return ledger_.drop(Reason::no_signal);
  sample.draw = random_.uniform();
  if (queue_.push(std::move(turn))) ledger_.drop(Reason::overflow);
}

// Starts an update, a hand-over or a pause that is due.
void Training::settle(Outbox& out) {
  while (const auto act = rule_.next([&] { return full(); })) perform(*act, out);
}

void Training::perform(HandOverRule::Act act, Outbox& out) {
  using Act = HandOverRule::Act;
  const auto pause = [&](Pause how) { out.send(endpoints::serving, Subject::pause, how); };
  switch (act) {
    case Act::pause_judging:
      return out.send(endpoints::judging, Subject::pause);
    case Act::drain_serving:
      return pause(Pause::drain);
    case Act::interrupt_serving:
      return pause(Pause::interrupt);
    case Act::refuse_requests:
      return pause(Pause::refuse);
    case Act::resume_judging:
      return out.send(endpoints::judging, Subject::resume);
    case Act::resume_serving:
      return out.send(endpoints::serving, Subject::resume);
    case Act::train:
      return train(out);
    case Act::hand_over:
      return out.later(out.now() + travel_, Subject::handed_over, 0, version_);
  }
}

bool Training::full() {
  queue_.remove_if([&](const Turn& turn) {
    if (staleness(version_, turn.versions) <= settings_.eta) return false;
    ledger_.drop(Reason::stale);
    return true;
  });
  return queue_.size() >= learning_.batch;
}

std::vector<JudgedReply> Training::take_batch(Outbox& out) {
  std::vector<JudgedReply> batch;
  bool judged = false, negative = true;  // whether there is a verdict, and all verdicts so far are negative
  while (std::ssize(batch) < learning_.batch) {
    Turn turn = queue_.pop();
    count_staleness(turn);
    ++ledger_.consumed;
    const Signals& signals = turn.sample.signals;
    judged = judged || signals.judged;
    negative = negative && (!signals.judged || signals.reward < 0);
    batch.push_back(std::move(turn.sample));
    note({out.now(), TraceEntry::Kind::consumed, turn.key, version_, std::move(turn.versions), {}}, out);
  }
  if (judged && negative) ++counters_.all_negative;
  if (settings_.drops_leftover) {
    queue_.remove_if([&](const Turn&) {
      ledger_.drop(Reason::leftover);
      return true;
    });
  }
  return batch;
}

void Training::count_staleness(const Turn& turn) {
  for (const std::int64_t version : turn.versions) {
    const std::int64_t age = version_ - version;
    ensure(age >= 0 && age <= settings_.eta, "a token of version {} is trained from version {}", version, version_);
    ++counters_.staleness[std::min<std::size_t>(age, TrainingCounters::bins - 1)];
  }
}

void Training::train(Outbox& out) {
  const std::vector<JudgedReply> batch = take_batch(out);
  const Ticks duration = ticks(settings_.seconds);
  busy_until_ = out.now() + duration;
  counters_.busy = counters_.busy + duration;
  out.later(busy_until_, Subject::trained, 0, version_);
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

void Training::finish(Outbox& out) {
  rule_.trained();
  weights_ = next_;
  ++version_;
  if (learning_.refresh > 0 && version_ % learning_.refresh == 0) teacher_ = weights_;
  note({.time = out.now(), .kind = TraceEntry::Kind::trained, .turn = {}, .version = version_, .versions = {}}, out);
  out.send(endpoints::auditor, Subject::measured,
           NewWeights{version_, version_ <= measured_ ? weights_ : at::Tensor()});
}

// Serving continues with the new weights. The ledger goes round at every hand-over.
void Training::hand_over(Outbox& out) {
  out.send(endpoints::collection, Subject::ledger, Ledger{});
  out.send(endpoints::serving, Subject::weights, NewWeights{version_, weights_});
  note({.time = out.now(), .kind = TraceEntry::Kind::handed_over, .turn = {}, .version = version_, .versions = {}},
       out);
  rule_.handed_over();
}

void Training::report_level(Outbox& out) {
  const TrainerLevel level{version_, ledger_.consumed + queued()};
  if (!settings_.admission || (level.version == told_.version && level.accepted == told_.accepted)) return;
  told_ = level;
  out.send(endpoints::collection, Subject::trainer_level, level);
}

TrainingCounters Training::counters(Ticks now) const {
  TrainingCounters counters = counters_;
  counters.longest_queue = queue_.longest();
  if (rule_.trains() && busy_until_ > now) counters.busy = counters.busy - (busy_until_ - now);
  return counters;
}

Ledger Training::ledger() const {
  queue_.check();
  Ledger ledger = ledger_;
  ledger.resident = queued();
  return ledger;
}

void Training::stop(const Ledger& before, Outbox& out) {
  stopped_ = true;
  out.send(endpoints::auditor, Subject::training_report, TrainingReport{counters(out.now()), {version_, weights_}});
  out.send(endpoints::auditor, Subject::stop, ledger() += before);
}

void Training::note(const TraceEntry& entry, Outbox& out) const {
  if (keep_ == Keep::trace) out.send(endpoints::auditor, Subject::note, entry);
}

}  // namespace shoal::pipeline
