// Centered clipping: v <- v + mean over the rows of (x_i - v) min(1, radius / ||x_i - v||), from the aggregate of the
// round before (0 in the first), a few times. Karimireddy, He and Jaggi, ICML 2021 (arXiv 2012.10333). The radius and
// the number of iterations are those of the authors' experiments. All iterations use inner products of the rows and the
// start, so the rows are read once more only, for the result.

#include <ATen/ops/zeros.h>

#include <cmath>

#include "sim/round/rule.hpp"

namespace shoal::rules {
namespace {

class CenteredClipping final : public Rule {
 public:
  explicit CenteredClipping(const Settings& s)
      : radius_(s.number("radius", 10, "largest distance from the centre at which a row counts in full", positive())),
        iterations_(s.integer("iterations", 3, "number of times that the centre moves", at_least(1))) {}

  void apply(RowSet& rows, State& state, const RuleContext& context) const override {
    const std::int64_t n = rows.count();
    const auto known = state.tensors().find("centre");
    const at::Tensor start =
        known != state.tensors().end() ? known->second : at::zeros({rows.width()}, at::TensorOptions(rows.type()));
    const std::vector<double> centre = centre_of(rows.gram({&start, 1}), n, context.evidence);

    const at::Tensor weights = at::zeros({1, n}, at::TensorOptions(at::kDouble));
    std::copy_n(centre.begin(), n, weights.mutable_data_ptr<double>());
    rows.mix(weights);
    rows.transform(1, [&]<class T>(RowView<const T> from, RowView<T> to, std::int64_t first) {
      const T* old = start.const_data_ptr<T>() + first;
      for (std::int64_t j = 0; j < from.columns(); ++j) to.at(0)[j] = from.at(0)[j] + centre.back() * old[j];
    });
    state.put("centre", rows.row(0).clone());
  }

 private:
  // The centre as a combination of the rows and, last, of the start, whose inner products are `gram`.
  std::vector<double> centre_of(std::span<const double> gram, std::int64_t n, std::span<double> evidence) const {
    const std::int64_t size = n + 1;
    std::vector<double> centre(size, 0.0);
    centre.back() = 1;
    for (std::int64_t iteration = 0; iteration < iterations_; ++iteration) {
      // ||x_i - v||^2 = x_i x_i - 2 x_i v + v v.
      std::vector<double> with_centre(size, 0.0);
      for (std::int64_t i = 0; i < size; ++i) {
        for (std::int64_t j = 0; j < size; ++j) with_centre[i] += gram[i * size + j] * centre[j];
      }
      double square = 0;
      for (std::int64_t j = 0; j < size; ++j) square += centre[j] * with_centre[j];
      std::vector<double> factors;
      double total = 0;
      for (std::int64_t i = 0; i < n; ++i) {
        const double distance = std::sqrt(std::max(0.0, gram[i * size + i] - 2 * with_centre[i] + square));
        factors.push_back(distance > radius_ ? radius_ / distance : 1);
        total += factors.back();
        if (!evidence.empty()) evidence[i] = distance;
      }
      for (double& weight : centre) weight *= 1 - total / n;
      for (std::int64_t i = 0; i < n; ++i) centre[i] += factors[i] / n;
    }
    return centre;
  }

  double radius_;
  std::int64_t iterations_;
};

}  // namespace

std::unique_ptr<Rule> centered_clipping(Settings& settings) { return std::make_unique<CenteredClipping>(settings); }

}  // namespace shoal::rules
