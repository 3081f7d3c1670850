// Secure aggregation: the server learns the weighted sum of the updates and no single one. Every pair of clients shares
// a mask that one adds and the other subtracts, and every client has one of its own; shares of the secrets behind them
// let the server remove what is left when clients are lost. Bonawitz et al., CCS 2017, for a server that reads
// everything and follows the protocol. Costs grow with the square of the cohort; sec_agg_plus is for large ones.
// Try: planner.cohort = 10, aggregator.minimum = 2
// Try: planner.cohort = 12, aggregator.minimum = 2, aggregator.groups = 4
// Refused with cfl, fed_amp, fed_fomo, fed_law, alie, every rule: does not give them
// Refused with ifca: does not keep their updates apart
// Refused with afl, reputation, oort, power_of_choice, tifl: by what they report
// Refused with top_k: chooses from a client's data
// Refused with cyclic, deadline, planner fed_async, fed_buff, over_selection, periodic: need the whole cohort
// Refused with refl, stragglers: need the whole cohort
// Refused with mime: a first exchange

#include "strategies/aggregators/shared/masked_sums.hpp"

#include <algorithm>
#include <cmath>

namespace shoal::aggregators {
namespace {

class SecAgg final : public MaskedAggregator {
 public:
  explicit SecAgg(const Settings& s)
      : MaskedAggregator(s, true),
        threshold_(s.number("threshold", 0.5,
                            "a secret is rebuilt from more than this share of the cohort: so many clients must stay, "
                            "and fewer may collude with the server",
                            between(0, 0.99))) {}

 protected:
  std::optional<GraphRule> rule(std::int64_t clients, std::int64_t /*cohort*/) const override {
    if (clients < 2) return std::nullopt;
    const auto more_than = static_cast<std::int64_t>(std::floor(threshold_ * static_cast<double>(clients)));
    return GraphRule{.degree = clients - 1, .threshold = std::max<std::int64_t>(more_than + 1, 2)};
  }
  std::string demand() const override { return fmt::format("(a threshold of {})", threshold_); }

 private:
  double threshold_;
};

}  // namespace

std::unique_ptr<Aggregator> sec_agg(Settings& settings) { return std::make_unique<SecAgg>(settings); }

}  // namespace shoal::aggregators
