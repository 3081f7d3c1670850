#pragma once
// Who stands between the truth and the learner: votes on replies, and hints read out of what the user said next. One
// file per judge in strategies/judges.

#include <memory>
#include <span>

#include "sim/part.hpp"
#include "sim/random.hpp"

namespace shoal {

/// What there is to judge: a reply and the state that followed it.
struct Evidence {
  double reward = 0;       ///< the truth: +1 satisfied, -1 not
  bool tool = false;       ///< the next state is a tool's result, not a user's reply
  bool directive = false;  ///< the user said what should have been different
};

/// Whose hint a judge gives, against the rule that the user really has.
enum class Hint : std::int8_t { none, right, another_rule, opposite, irrelevant };

struct Judgement {
  double reward = 0;  ///< the vote after majority: +1, 0, -1
  Hint hint = Hint::none;
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
