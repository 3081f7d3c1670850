// Nearest-neighbour mixing: every row becomes the mean of the n - f rows nearest to it, itself included; another rule
// follows. Allouah, Farhadkhani, Guerraoui, Gupta, Pinot and Stephan, AISTATS 2023 (arXiv 2302.01772). Costs the
// products of all pairs of rows; the means themselves are computed only if the next rule needs them.

#include <ATen/ops/zeros.h>

#include "sim/round/rule.hpp"
#include "strategies/rules/shared/nearest.hpp"

namespace shoal::rules {
namespace {

class NearestNeighbourMixing final : public Rule {
 public:
  explicit NearestNeighbourMixing(const Settings& s)
      : f_(s.integer("f", 1, "number of malicious clients among the rows", at_least(0))) {}

  void apply(RowSet& rows, State&, const RuleContext&) const override {
    const std::int64_t n = rows.count(), near = std::max<std::int64_t>(n - f_, 1);
    const std::vector<double> distances = squared_distances(rows);
    const at::Tensor weights = at::zeros({n, n}, at::TensorOptions(at::kDouble));
    double* weight = weights.mutable_data_ptr<double>();
    for (std::int64_t i = 0; i < n; ++i) {
      for (const std::int64_t j : smallest(std::span(distances).subspan(i * n, n), near))
        weight[i * n + j] = 1.0 / near;
    }
    rows.mix(weights);
  }

 private:
  std::int64_t f_;
};

}  // namespace

std::unique_ptr<Rule> nnm(Settings& settings) { return std::make_unique<NearestNeighbourMixing>(settings); }

}  // namespace shoal::rules
