#pragma once
// Users talk to a policy: from a user's visits to judged replies.

#include <vector>

#include "sim/agents/conversation.hpp"
#include "sim/agents/judge.hpp"
#include "sim/agents/learner.hpp"

namespace shoal {

/// One session that is to be held. Three streams, so that replies, users and judges are drawn apart: with another judge
/// the first turn is the same.
struct Session {
  talk::User user;
  RandomStream replies, world, judging;
  std::vector<RandomStream> others{};  ///< of further replies to every prompt, which the user never gets
};

/// What came of it.
struct SessionLog {
  /// Main turns, then turns with tools, in order; of each the reply that the user got and then the others. Where there
  /// are others, the advantage is by comparison of all; 0 if they are alike.
  std::vector<JudgedReply> replies;
  std::int64_t rejected = 0;  ///< replies with malformed votes or log-probabilities: they are not in `replies`
};

/// Holds all sessions at once, turn by turn: main turns until the user is content or has asked most often, then turns
/// with tools. The last turn of a session has no next state, so nothing is known about it: it has neither vote nor
/// hint. What the user would have made of the other replies is known as well: a group for GRPO, which nobody could ask
/// of a person. The worker must have its weights loaded. Session i draws from its own streams alone.
std::vector<SessionLog> hold_sessions(RolloutWorker& worker, std::span<Session> sessions,
                                      const talk::UserBehaviour& behaviour, const Judge& judge, double temperature);

}  // namespace shoal
