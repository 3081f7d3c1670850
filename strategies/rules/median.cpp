// Coordinate-wise median of the rows: unweighted, with the mean of the two middle values for an even number of rows.
// Yin, Chen, Ramchandran and Bartlett, ICML 2018 (arXiv 1803.01498), definition 1. Withstands malicious clients if they
// are fewer than half.

#include "kernels/order_statistics.hpp"
#include "sim/round/rule.hpp"

namespace shoal::rules {
namespace {

class Median final : public Rule {
 public:
  void apply(RowSet& rows, State&, const RuleContext&) const override {
    rows.transform(1, []<class T>(RowView<const T> from, RowView<T> to, std::int64_t) {
      std::vector<const T*> starts;
      for (std::int64_t i = 0; i < from.rows(); ++i) starts.push_back(from.at(i));
      medians<T>(starts, to.row(0));
    });
  }
};

}  // namespace

std::unique_ptr<Rule> median(Settings&) { return std::make_unique<Median>(); }

}  // namespace shoal::rules
