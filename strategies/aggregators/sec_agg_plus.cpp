// Secure aggregation for large cohorts: as sec_agg, but every client shares masks and secrets with a few neighbours of
// a random graph only. Bell et al., CCS 2020. The number of neighbours is the smallest at which, with probability
// 1 - 2^-40, no update is revealed to the server and the clients that collude with it, and with 1 - 2^-20 the sum can
// be opened.
// Try: planner.cohort = 12, aggregator.minimum = 2
// Refused with cfl, fed_amp, fed_fomo, fed_law, alie, every rule: does not give them
// Refused with ifca: does not keep their updates apart
// Refused with afl, reputation, oort, power_of_choice, tifl: by what they report
// Refused with top_k: chooses from a client's data
// Refused with cyclic, deadline, planner fed_async, fed_buff, over_selection, periodic: need the whole cohort
// Refused with refl, stragglers: need the whole cohort
// Refused with mime: a first exchange

#include "strategies/aggregators/shared/masked_sums.hpp"

namespace shoal::aggregators {
namespace {

class SecAggPlus final : public MaskedAggregator {
 public:
  explicit SecAggPlus(const Settings& s)
      : MaskedAggregator(s, false),
        corrupt_(s.number("corrupt", 0.05, "share of the cohort that colludes with the server", between(0, 0.9))),
        dropout_(s.number("dropout", 0.05, "share of the cohort that may be lost", between(0, 0.9))),
        server_(s.choice("server", ServerModel::curious,
                         {{"curious", ServerModel::curious}, {"semi_malicious", ServerModel::semi_malicious}},
                         "whether the server follows the protocol, or deviates once keys have been exchanged")) {}

 protected:
  std::optional<GraphRule> rule(std::int64_t clients, std::int64_t cohort) const override {
    GraphDemand demand{.clients = clients, .corrupt = corrupt_, .dropout = dropout_, .server = server_};
    if (clients < cohort) demand.corrupt_clients = most_corrupt(clients, cohort, corrupt_);
    return graph_rule(demand);
  }
  std::string demand() const override {
    return fmt::format("({} corrupt, {} lost, a {} server)", corrupt_, dropout_,
                       server_ == ServerModel::curious ? "curious" : "semi-malicious");
  }

 private:
  double corrupt_, dropout_;
  ServerModel server_;
};

}  // namespace

std::unique_ptr<Aggregator> sec_agg_plus(Settings& settings) { return std::make_unique<SecAggPlus>(settings); }

}  // namespace shoal::aggregators
