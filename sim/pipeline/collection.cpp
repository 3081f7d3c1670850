#include "sim/pipeline/collection.hpp"

namespace shoal::pipeline {

std::optional<Ticks> Collection::add(std::int64_t number, Ticks now) {
  const TurnKey& key = ledger_.at(number).key;
  OpenSession& session = sessions_[{key.user, key.session}];
  if (std::ssize(session.turns) <= key.turn) session.turns.resize(key.turn + 1);
  CollectedTurn& turn = session.turns[key.turn];
  ensure(turn.status == Status::absent, "turn {} of session {} of user {} is served twice", key.turn, key.session,
         key.user);
  turn = {Status::waiting, number};
  session.last_sign = now;
  ++waiting_;
  ++counters_.main;
  if (std::exchange(session.watched, true)) return {};
  return now + expiry_;
}

std::optional<std::int64_t> Collection::join(const FollowUp& state, Ticks now) {
  const auto at = sessions_.find({state.of.user, state.of.session});
  const bool collected = at != sessions_.end() && state.of.turn < std::ssize(at->second.turns) &&
                         at->second.turns[state.of.turn].status != Status::absent;
  if (!collected) {
    ++counters_.unknown;
    return {};
  }
  CollectedTurn& turn = at->second.turns[state.of.turn];
  if (turn.status == Status::joined) ++counters_.duplicated;
  if (turn.status == Status::gone) ++counters_.late;
  if (turn.status != Status::waiting) return {};
  at->second.last_sign = now;
  turn.status = Status::joined;
  --waiting_;
  ++counters_.joined;
  return turn.number;
}

std::optional<std::int64_t> Collection::close(const TurnKey& last) {
  const auto at = sessions_.find({last.user, last.session});
  if (at == sessions_.end()) return {};
  OpenSession& session = at->second;
  session.closed = true;
  if (last.turn >= std::ssize(session.turns) || session.turns[last.turn].status != Status::waiting) return {};
  session.turns[last.turn].status = Status::gone;
  --waiting_;
  ++counters_.last;
  return session.turns[last.turn].number;
}

std::optional<Ticks> Collection::expire(std::int64_t user, std::int64_t session, Ticks now) {
  OpenSession& s = sessions_.at({user, session});
  const bool waits =
      std::ranges::any_of(s.turns, [](const CollectedTurn& turn) { return turn.status == Status::waiting; });
  if (s.last_sign + expiry_ > now && (waits || !s.closed)) return s.last_sign + expiry_;
  for (CollectedTurn& turn : s.turns) {
    if (turn.status != Status::waiting) continue;
    turn.status = Status::gone;
    --waiting_;
    ++counters_.expired;
    ledger_.drop(turn.number, Reason::expired);
  }
  s.watched = false;
  return {};
}

}  // namespace shoal::pipeline
