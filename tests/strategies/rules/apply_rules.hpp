#pragma once
// Applies rules to rows.

#include <memory>
#include <string>
#include <vector>

#include "sim/round/rule.hpp"
#include "tests/sim/round/row_sets.hpp"

namespace shoal::test {

/// The rules of a list in an experiment file, such as `["nnm", {name = "krum", f = 3}]`.
inline std::vector<std::unique_ptr<Rule>> rules_of(const std::string& list) {
  std::vector<std::unique_ptr<Rule>> rules;
  const Settings settings = Settings::parse("rules = " + list, "test.toml");
  for (const Settings& section : settings.sections("rules")) rules.push_back(make_part<Rule>("rule", "", section));
  settings.finish();
  return rules;
}

/// The context of a round; rules that want a reference get this one.
inline RuleContext context_of(const Rule& rule, const at::Tensor& reference, std::int64_t round = 1) {
  return {.round = round, .reference = rule.wants_reference() ? &reference : nullptr};
}

/// The mean of the rows that the rules leave, with the mean of all rows as the reference of those that want one, in
/// each of some rounds with the same rows, [rounds, d].
inline at::Tensor aggregate(const std::string& list, const at::Tensor& rows, const Arrival& arrival = {},
                            int rounds = 1) {
  return with_rows(rows, arrival, [&](RowSet& set, Communicator&) {
    const auto rules = rules_of(list);
    std::vector<State> states(rules.size());
    std::vector<at::Tensor> found;
    const at::Tensor reference = set.mean();
    for (int round = 1; round <= rounds; ++round) {
      RowSet left = set;
      for (std::size_t r = 0; r < rules.size(); ++r) {
        rules[r]->apply(left, states[r], context_of(*rules[r], reference, round));
      }
      found.push_back(left.mean());
    }
    return at::stack(found);
  });
}

inline at::Tensor row_of(std::vector<double> values) { return at::tensor(values, at::kDouble).unsqueeze(0); }

/// ||x_i - x_j||^2, from the definition, [n, n].
inline at::Tensor direct_distances(const at::Tensor& rows) {
  const at::Tensor x = rows.to(at::kDouble);
  return (x.unsqueeze(0) - x.unsqueeze(1)).square().sum(2);
}

}  // namespace shoal::test
