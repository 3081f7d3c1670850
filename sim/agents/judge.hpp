#pragma once
// Judges: votes on replies, and hints read from what the user said next. A learner sees their signals, never the truth.
// One file per judge in strategies/judges.

#include <memory>
#include <span>

#include "sim/random.hpp"
#include "sim/settings/part.hpp"

namespace shoal {

/// The next state, a user's message or a tool's result, as it appears to a judge that has not read the conversation.
enum class NextState : std::int8_t { unknown, moved_on, repeated, corrected, tool_ok, tool_error };

/// A reply and the state that followed it.
struct Evidence {
  double reward = 0;       // the truth: +1 if the reply satisfied the user, -1 if not
  bool tool = false;       // the next state is a tool's result, not a user's message
  bool directive = false;  // the user said what should have been different
  /// May mislead: a user who gives up and asks something else has moved on, and one who wants another example repeats.
  NextState shows = NextState::unknown;
};

/// The rule that a judge's hint names, compared with the rule that the user really has.
enum class Hint : std::int8_t { none, right, another_rule, opposite, irrelevant };

struct Judgement {
  double reward = 0;  // the majority vote: +1, 0, -1
  Hint hint = Hint::none;
  int valid = 1;         // number of valid votes
  double mean_vote = 0;  // mean of the valid votes, for process rewards; 0 if there are none
  double seconds = 0;    // time until the last of the concurrent calls has answered
  double tokens = 0;     // tokens written by all calls
};

class Judge {
 public:
  virtual ~Judge() = default;
  /// Draws from `random` only; the number of draws may depend on the evidence.
  virtual Judgement judge(const Evidence& evidence, RandomStream& random) const = 0;
};

template <>
std::span<const Part<Judge>> parts<Judge>();  // generated from strategies/judges

}  // namespace shoal
