// FLTrust: the server trains an update g_0 of its own on a few clean examples and trusts a row by its direction. Row i
// has the trust max(0, cos(g_i, g_0)), is scaled to the length of g_0, and the aggregate is the mean by trust. Without
// any trust it is 0. Cao, Fang, Liu and Gong, NDSS 2021 (arXiv 2012.13995), algorithm 2. The server keeps `server`
// examples of [data] for this. Its time is not charged on the virtual clock.
//
// Try: task = "supervised", data = {name = "optdigits", server = 90}, model = "logistic_regression", local.batch = 5
// Refused with ifca: has 2 groups of clients

#include <ATen/ops/zeros.h>

#include <cmath>

#include "sim/round/rule.hpp"

namespace shoal::rules {
namespace {

class FlTrust final : public Rule {
 public:
  bool wants_reference() const override { return true; }

  void apply(RowSet& rows, State&, const RuleContext& context) const override {
    const std::int64_t n = rows.count(), size = n + 1;  // the reference is last
    const std::span<const double> gram = rows.gram({context.reference, 1});
    const auto norm = [&](std::int64_t i) { return std::sqrt(std::max(0.0, gram[i * size + i])); };
    std::vector<double> trust(n, 0.0);
    double total = 0;
    for (std::int64_t i = 0; i < n; ++i) {
      if (norm(i) > 0 && norm(n) > 0) trust[i] = std::max(0.0, gram[i * size + n] / (norm(i) * norm(n)));
      total += trust[i];
      if (!context.evidence.empty()) context.evidence[i] = trust[i];
    }
    const at::Tensor weights = at::zeros({1, n}, at::TensorOptions(at::kDouble));
    for (std::int64_t i = 0; i < n; ++i) {
      if (trust[i] > 0) weights.mutable_data_ptr<double>()[i] = trust[i] / total * norm(n) / norm(i);
    }
    rows.mix(weights);
  }
};

}  // namespace

std::unique_ptr<Rule> fl_trust(Settings&) { return std::make_unique<FlTrust>(); }

}  // namespace shoal::rules
