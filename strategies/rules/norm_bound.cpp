// Norm bound on the server: a row that is longer than `bound` is scaled down to it. In contrast to the stage `clip`, a
// malicious client cannot evade it. Sun, Kairouz, Suresh and McMahan, 2019 (arXiv 1911.07963). Rows keep their clients
// and weights; another rule may follow.

#include <algorithm>

#include "sim/round/rule.hpp"

namespace shoal::rules {
namespace {

class NormBound final : public Rule {
 public:
  explicit NormBound(const Settings& s) : bound_(s.number("bound", 1, "largest Euclidean norm of a row", positive())) {}

  void apply(RowSet& rows, State&, const RuleContext& context) const override {
    std::vector<double> factors = rows.norms();
    if (!context.evidence.empty()) std::ranges::copy(factors, context.evidence.begin());
    for (double& factor : factors) factor = factor > bound_ ? bound_ / factor : 1;
    rows.scale(factors);
  }

 private:
  double bound_;
};

}  // namespace

std::unique_ptr<Rule> norm_bound(Settings& settings) { return std::make_unique<NormBound>(settings); }

}  // namespace shoal::rules
