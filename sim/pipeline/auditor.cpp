#include "sim/pipeline/auditor.hpp"

namespace shoal::pipeline {

Auditor::Auditor(const Setup& setup, const RunKey& run)
    : settings_(setup.pipeline),
      updates_(setup.updates),
      initial_(setup.initial),
      evaluator_(setup.policy, setup.pool, setup.questions, setup.initial, run.seed, run.replicate) {
  result_.weights = setup.initial;
}

std::vector<Letter> Auditor::handle(const Letter& letter, Ticks now) {
  Outbox out(endpoints::auditor, now);
  switch (subject(letter)) {
    case Subject::start:
      result_.quality.fill(evaluator_.measure(initial_));
      out.send(endpoints::users, Subject::start);
      break;
    case Subject::measured:
      measure(unpack<NewWeights>(letter));
      break;
    case Subject::users_changed:
      users_ = unpack<UsersStatus>(letter);
      break;
    case Subject::note:
      result_.trace.push_back(unpack<TraceEntry>(letter));
      break;
    case Subject::ledger:
      unpack<Ledger>(letter).check();
      break;
    case Subject::over:
      result_.end = now;
      out.send(endpoints::users, Subject::stop, Ledger{});
      break;
    case Subject::users_report: {
      UsersReport report = unpack<UsersReport>(letter);
      result_.content_at = std::move(report.content_at);
      result_.gave_up = report.gave_up;
      ++reports_;
      break;
    }
    case Subject::serving_report:
      result_.serving = unpack<ServingCounters>(letter);
      ++reports_;
      break;
    case Subject::collection_report:
      result_.collection = unpack<CollectionCounters>(letter);
      ++reports_;
      break;
    case Subject::judging_report:
      result_.judging = unpack<JudgingCounters>(letter);
      ++reports_;
      break;
    case Subject::training_report: {
      TrainingReport report = unpack<TrainingReport>(letter);
      result_.training = report.counters;
      result_.updates = report.last.version;
      result_.weights = report.last.weights;
      ++reports_;
      break;
    }
    case Subject::stop:
      close(unpack<Ledger>(letter));
      ++reports_;
      break;
    default:
      refuse(letter);
  }
  end_if_over(out);
  return out.take();
}

void Auditor::measure(const NewWeights& weights) {
  result_.updates = weights.version;
  if (!weights.weights.defined()) return;
  if (weights.version < 0 || weights.version > most_measured || weights.weights.numel() != initial_.numel()) {
    user_error("weights of version {} do not fit the policy. Use the same settings in all processes.", weights.version);
  }
  std::fill(result_.quality.begin() + weights.version, result_.quality.end(), evaluator_.measure(weights.weights));
}

// By a letter to itself, so that everything that follows from the same event is done before.
void Auditor::end_if_over(Outbox& out) {
  const bool reached = updates_ > 0 ? result_.updates >= updates_ : users_.content;
  if (ending_ || !(reached || users_.over)) return;
  ending_ = true;
  out.later(out.now(), Subject::over, 0, 0);
}

void Auditor::close(const Ledger& ledger) {
  ledger.check();
  result_.produced = ledger.produced;
  result_.consumed = ledger.consumed;
  result_.resident = ledger.resident;
  result_.dropped = ledger.dropped;
}

Result Auditor::result() {
  ensure(complete(), "the result is asked for before all components have stopped");
  Result& r = result_;
  r.served = r.serving.served;
  r.latency = r.serving.latency;
  r.longest_queue = std::max({r.serving.longest_queue, r.judging.longest_queue, r.training.longest_queue});
  r.idle_serving = idle(r.serving.busy, settings_.serving.slots);
  r.idle_judge = idle(r.judging.busy, settings_.judging.workers);
  r.idle_trainer = idle(r.training.busy, 1);
  return std::move(r);
}

// Idle share of the time of `places` slots or workers.
double Auditor::idle(Ticks busy, std::int64_t places) const {
  return value(result_.end) == 0 ? 1 : 1 - seconds(busy) / (seconds(result_.end) * places);
}

}  // namespace shoal::pipeline
