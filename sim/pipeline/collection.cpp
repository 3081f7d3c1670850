#include "sim/pipeline/collection.hpp"

#include "sim/pipeline/staleness.hpp"

namespace shoal::pipeline {

Collection::Collection(const Setup& setup, const RunKey& run)
    : training_(setup.pipeline.training),
      expiry_(ticks(setup.pipeline.expiry)),
      batch_(setup.learning.batch),
      keep_(run.keep) {}

std::vector<Letter> Collection::handle(const Letter& letter, Ticks now) {
  if (stopped_) return {};
  Outbox out(endpoints::collection, now);
  switch (subject(letter)) {
    case Subject::turn:
      add(unpack<Turn>(letter), out);
      break;
    case Subject::side_turn:
      ++counters_.side;
      break;
    case Subject::follow_up:
      join(unpack<FollowUp>(letter), out);
      break;
    case Subject::closed:
      close(unpack<TurnKey>(letter), out);
      break;
    case Subject::expired: {
      const auto timer = unpack<Timer>(letter);
      expire(timer.user, timer.number, out);
      break;
    }
    case Subject::trainer_level:
      trainer_ = unpack<TrainerLevel>(letter);
      break;
    case Subject::judge_level:
      judging_ = unpack<std::int64_t>(letter);
      break;
    case Subject::ledger:
      pass_ledger(Subject::ledger, unpack<Ledger>(letter), out);
      break;
    case Subject::stop:
      stopped_ = true;
      out.send(endpoints::auditor, Subject::collection_report, counters_);
      pass_ledger(Subject::stop, unpack<Ledger>(letter), out);
      break;
    default:
      refuse(letter);
  }
  return out.take();
}

void Collection::add(Turn turn, Outbox& out) {
  const TurnKey key = turn.key;
  turn.number = ledger_.produced++;
  if (turn.sample.reply.log_probs.size() != turn.sample.reply.tokens.size()) return ledger_.drop(Reason::malformed);
  if (!admitted()) return ledger_.drop(Reason::not_admitted);
  OpenSession& session = sessions_[{key.user, key.session}];
  if (std::ssize(session.turns) <= key.turn) session.turns.resize(key.turn + 1);
  CollectedTurn& collected = session.turns[key.turn];
  ensure(collected.status == Status::absent, "turn {} of session {} of user {} is served twice", key.turn, key.session,
         key.user);
  collected = {Status::waiting, turn.number};
  turns_.emplace(turn.number, std::move(turn));
  session.last_sign = out.now();
  ++counters_.main;
  if (!std::exchange(session.watched, true)) {
    out.later(out.now() + expiry_, Subject::expired, key.user, key.session);
  }
}

bool Collection::admitted() const {
  const Admission rule{.eta = training_.eta,
                       .version = trainer_.version,
                       .batch = batch_,
                       .accepted = trainer_.accepted,
                       .running = waiting() + judging_,
                       .max_concurrent = training_.max_concurrent};
  return !training_.admission || rule.capacity() > 0;
}

void Collection::join(const FollowUp& state, Outbox& out) {
  const auto at = sessions_.find({state.of.user, state.of.session});
  const bool collected = at != sessions_.end() && state.of.turn < std::ssize(at->second.turns) &&
                         at->second.turns[state.of.turn].status != Status::absent;
  if (!collected) {
    ++counters_.unknown;
    return;
  }
  CollectedTurn& turn = at->second.turns[state.of.turn];
  if (turn.status == Status::joined) ++counters_.duplicated;
  if (turn.status == Status::gone) ++counters_.late;
  if (turn.status != Status::waiting) return;
  at->second.last_sign = out.now();
  ++counters_.joined;
  note(TraceEntry::Kind::joined, state.of, out);
  out.send(endpoints::judging, Subject::to_judge, ToJudge{release(turn, Status::joined), state});
}

void Collection::close(const TurnKey& last, Outbox& out) {
  const auto at = sessions_.find({last.user, last.session});
  if (at == sessions_.end()) return;
  OpenSession& session = at->second;
  session.closed = true;
  if (last.turn >= std::ssize(session.turns) || session.turns[last.turn].status != Status::waiting) return;
  ++counters_.last;
  note(TraceEntry::Kind::closed, last, out);
  out.send(endpoints::judging, Subject::to_judge, ToJudge{release(session.turns[last.turn], Status::gone), {}});
}

void Collection::expire(std::int64_t user, std::int64_t session, Outbox& out) {
  OpenSession& s = sessions_.at({user, session});
  const bool waits =
      std::ranges::any_of(s.turns, [](const CollectedTurn& turn) { return turn.status == Status::waiting; });
  if (s.last_sign + expiry_ > out.now() && (waits || !s.closed)) {
    return out.later(s.last_sign + expiry_, Subject::expired, user, session);
  }
  for (CollectedTurn& turn : s.turns) {
    if (turn.status != Status::waiting) continue;
    release(turn, Status::gone);
    ++counters_.expired;
    ledger_.drop(Reason::expired);
  }
  s.watched = false;
}

// The turn leaves.
Turn Collection::release(CollectedTurn& turn, Status status) {
  turn.status = status;
  auto node = turns_.extract(turn.number);
  return std::move(node.mapped());
}

Ledger Collection::ledger() const {
  Ledger ledger = ledger_;
  ledger.resident = waiting();
  return ledger;
}

void Collection::pass_ledger(Subject subject, const Ledger& before, Outbox& out) const {
  out.send(endpoints::judging, subject, ledger() += before);
}

void Collection::note(TraceEntry::Kind kind, const TurnKey& turn, Outbox& out) const {
  if (keep_ == Keep::counts) return;
  out.send(endpoints::auditor, Subject::note,
           TraceEntry{.time = out.now(), .kind = kind, .turn = turn, .versions = {}});
}

}  // namespace shoal::pipeline
