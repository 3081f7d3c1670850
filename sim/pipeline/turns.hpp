#pragma once
// Data that the pipeline's components pass on: requests, states that follow replies, and turns on their way to
// training.

#include <optional>
#include <vector>

#include "sim/agents/judge.hpp"
#include "sim/agents/learner.hpp"
#include "sim/agents/users/conversation.hpp"
#include "sim/ids.hpp"

namespace shoal::pipeline {

/// Main turns and tool turns are the agent's main line and are trained; side turns (notes, heartbeats, memory) are
/// served and not collected.
enum class TurnType : std::int8_t { main, tool, side };

struct TurnKey {
  std::int64_t user = 0;
  std::int64_t session = 0;  // number among the user's sessions, from 1
  int turn = 0;              // number in the session, from 0

  friend auto operator<=>(const TurnKey&, const TurnKey&) = default;
};

/// The state that followed a turn: it comes with the next main-line request of the session, so judging is one turn
/// late.
struct FollowUp {
  TurnKey of;  // the turn that it followed
  Evidence evidence;
  std::optional<talk::Rule> said;  // the rule that a correction named
};

/// A client must name session and turn type; a request that lacks one of them is an error.
struct Request {
  std::int64_t user = 0;
  std::optional<std::int64_t> session;
  std::optional<TurnType> type;
  int turn = 0;
  std::vector<Token> prompt;
  double temperature = 1;
  Ticks sent{};      // time of the client's first attempt
  bool cut = false;  // a fault: the served trajectory loses a log-probability
};

enum class Answer : std::int8_t { accepted, refused, malformed };

/// A served turn of the main line: tokens as they were sampled, never text. One component holds it at a time and passes
/// it on whole.
struct Turn {
  std::int64_t number = 0;  // in the order in which turns are collected
  TurnKey key;
  TurnType type = TurnType::main;
  JudgedReply sample;                  // its version is that of the oldest token
  std::vector<std::int64_t> versions;  // versions of the weights that sampled each token
};

}  // namespace shoal::pipeline
