// Krum: the score of a row is the sum of its squared distances to its n - f - 2 nearest others; the row with the lowest
// score remains, or the mean of the m lowest (Multi-Krum). Of equal scores that of the lowest client counts as lower.
// Blanchard, El Mhamdi, Guerraoui and Stainer, NIPS 2017 (arXiv 1703.02757). Its guarantee needs n > 2 f + 2 rows; a
// round with fewer takes at least one neighbour.

#include <ATen/ops/zeros.h>

#include <algorithm>
#include <numeric>

#include "sim/round/rule.hpp"
#include "strategies/rules/shared/nearest.hpp"

namespace shoal::rules {
namespace {

class Krum final : public Rule {
 public:
  explicit Krum(const Settings& s)
      : f_(s.integer("f", 1, "number of malicious clients among the rows", at_least(0))),
        m_(s.integer("m", 1, "number of rows whose mean is taken; above 1 the rule is Multi-Krum", at_least(1))),
        omitted_(s.choice("neighbours", std::int64_t{2}, {{"n-f-2", 2}, {"n-f-1", 1}},
                          "number of others that count in a score: as in the paper, or as in the library byzfl")) {}

  void apply(RowSet& rows, State&, const RuleContext& context) const override {
    const std::vector<double> scores = scores_of(squared_distances(rows), rows.count());
    if (!context.evidence.empty()) std::ranges::copy(scores, context.evidence.begin());
    const std::vector<std::int64_t> chosen = smallest(scores, m_);
    const at::Tensor weights = at::zeros({1, rows.count()}, at::TensorOptions(at::kDouble));
    for (const std::int64_t i : chosen) weights.mutable_data_ptr<double>()[i] = 1.0 / chosen.size();
    rows.mix(weights);
  }

 private:
  std::vector<double> scores_of(const std::vector<double>& distances, std::int64_t n) const {
    const std::int64_t most = std::max<std::int64_t>(n - 1, 0);
    const std::int64_t near = std::clamp<std::int64_t>(n - f_ - omitted_, std::min<std::int64_t>(1, most), most);
    std::vector<double> scores;
    for (std::int64_t i = 0; i < n; ++i) {
      std::vector<double> others;
      for (std::int64_t j = 0; j < n; ++j) {
        if (j != i) others.push_back(distances[i * n + j]);
      }
      std::ranges::sort(others);
      scores.push_back(std::accumulate(others.begin(), others.begin() + near, 0.0));
    }
    return scores;
  }

  std::int64_t f_, m_, omitted_;
};

}  // namespace

std::unique_ptr<Rule> krum(Settings& settings) { return std::make_unique<Krum>(settings); }

}  // namespace shoal::rules
