#pragma once
// Sessions of users with a policy, and the judged replies that result.

#include <vector>

#include "sim/agents/judge.hpp"
#include "sim/agents/learner.hpp"
#include "sim/agents/users/conversation.hpp"

namespace shoal {

/// One session to hold. Replies, the user's world and the judge draw from separate streams: with another judge the
/// first turn is the same.
struct Session {
  talk::User user;
  RandomStream replies, world, judging;
  std::vector<RandomStream> others{};  // streams of further replies to every prompt, which the user does not see
};

struct SessionLog {
  /// Main turns, then turns with tools, in order; for each the reply that the user saw and then the others. Where there
  /// are others, the advantage of each compares it with all of them; it is 0 if all rewards are equal.
  std::vector<JudgedReply> replies;
  std::int64_t rejected = 0;  // replies left out of `replies`: their votes or log-probabilities are malformed
};

/// Holds all sessions at once, turn by turn: main turns until the user is satisfied or gives up, then turns with tools.
/// The last turn of a session has no next state, so it has neither vote nor hint. Other replies are judged by the
/// reaction that the user would have had: a group for GRPO, which no real user could provide. The worker must have its
/// weights loaded. Session i draws from its own streams alone.
std::vector<SessionLog> hold_sessions(RolloutWorker& worker, std::span<Session> sessions,
                                      const talk::UserBehaviour& behaviour, const Judge& judge, double temperature);

}  // namespace shoal
