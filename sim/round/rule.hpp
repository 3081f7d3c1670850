#pragma once
// A robust rule combines the rows of a round so that some malicious clients do little harm. Rules are applied one after
// the other, each to the rows that the one before it has left; the weighted mean of the last rows is the aggregate.

#include <functional>
#include <span>
#include <string_view>

#include "sim/round/part.hpp"
#include "sim/round/row_set.hpp"
#include "sim/task/task.hpp"

namespace shoal {

/// Facts that a rule may use besides the rows and its state. The same on every rank.
struct RuleContext {
  std::int64_t round = 1;
  RandomKey key{};                        // belongs to this rule and round
  const at::Tensor* reference = nullptr;  // [d], for a rule that wants one: an update trained on data of the server
  Board* board = nullptr;                 // scores of clients; null where a rule is tried without a server
  std::span<double> evidence{};           // one per row that comes in, which the rule may fill; or empty
  /// The model's evaluation on a set of examples; collective. Empty where there is no model.
  std::function<Evaluation(const at::Tensor& params, std::string_view set)> evaluate{};
};

/// A rule, or a step before one. It works on any number of rows, at least 1: clients drop out. Its result must not
/// depend on the order in which rows arrived; equal rows are told apart by the order of the clients.
class Rule : public RoundPart {
 public:
  /// Whether the rule compares the rows with a reference: the update that the server makes in each round on examples of
  /// its own, from the clients' message and with their settings and stages, as a client without memory.
  virtual bool wants_reference() const { return false; }
  /// Changes the rows, usually to fewer; collective.
  virtual void apply(RowSet& rows, State& state, const RuleContext& context) const = 0;
};

template <>
std::span<const Part<Rule>> parts<Rule>();  // generated from strategies/rules

}  // namespace shoal
