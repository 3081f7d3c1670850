// Keeps the clients' updates as rows, for rules that compare them and for attacks that look at them; the aggregate is
// the weighted mean of the rows that the rules leave. Channels of which only a mean has a meaning, such as counts, are
// summed exactly and skip the rules. The default where an experiment has rules. A rank holds n d / R values of n rows
// on R ranks.

#include "strategies/aggregators/shared/kept_rows.hpp"
#include "strategies/aggregators/shared/exact_sums.hpp"

namespace shoal::aggregators {
namespace {

std::vector<std::size_t> channels_where(const AggregationPlan& plan, bool needs_mean) {
  std::vector<std::size_t> found;
  for (std::size_t c = 0; c < plan.wires.size(); ++c) {
    if (plan.wires[c].channel.needs_mean == needs_mean) found.push_back(c);
  }
  return found;
}

template <class T>
std::vector<T> chosen(const std::vector<T>& from, const std::vector<std::size_t>& which) {
  std::vector<T> found;
  found.reserve(which.size());
  for (const std::size_t i : which) found.push_back(from[i]);
  return found;
}

// The plan of the sums of some channels.
AggregationPlan part_of(const AggregationPlan& plan, const std::vector<std::size_t>& channels) {
  return {.wires = chosen(plan.wires, channels),
          .scales = chosen(plan.scales, channels),
          .groups = plan.groups,
          .type = plan.type};
}

class RowsAndSums final : public Collector {
 public:
  explicit RowsAndSums(const AggregationPlan& plan)
      : plan_(plan),
        summed_(channels_where(plan, true)),
        rows_(plan, channels_where(plan, false), KeptRows::Values::added),
        sums_plan_(part_of(plan, summed_)),
        sums_(sums_plan_) {}

  void add(const Contribution& contribution) override {
    rows_.add(contribution);
    sums_.add({.channels = chosen(contribution.channels, summed_),
               .weights = chosen(contribution.weights, summed_),
               .shares = chosen(contribution.shares, summed_),
               .accepted = contribution.accepted,
               .groups = contribution.groups});
  }

  void merge(Collector& other) override {
    auto& theirs = static_cast<RowsAndSums&>(other);
    rows_.merge(theirs.rows_);
    sums_.merge(theirs.sums_);
  }

  Intake finish(Communicator& comm, ThreadPool& pool, State&) override {
    Intake intake;
    for (const Aggregate& sums : sums_.means(comm)) {
      Aggregate& all = intake.sums.emplace_back(Aggregate{.means = std::vector<at::Tensor>(plan_.wires.size()),
                                                          .weights = std::vector<double>(plan_.wires.size()),
                                                          .clients = sums.clients});
      for (std::size_t i = 0; i < summed_.size(); ++i) {
        all.means[summed_[i]] = sums.means[i].to(plan_.device);
        all.weights[summed_[i]] = sums.weights[i];
      }
    }
    intake.rows = rows_.take(comm, pool);
    return intake;
  }

 private:
  const AggregationPlan& plan_;
  std::vector<std::size_t> summed_;  // numbers of the channels that need a mean
  KeptRows rows_;
  AggregationPlan sums_plan_;
  ExactSums sums_;
};

class KeepsRows final : public Aggregator {
 public:
  std::unique_ptr<Collector> open(const AggregationPlan& plan) const override {
    return std::make_unique<RowsAndSums>(plan);
  }
  bool needs_rows() const override { return true; }
  bool gives_rows() const override { return true; }
  bool keeps_groups() const override { return true; }
};

}  // namespace

std::unique_ptr<Aggregator> kept_rows(Settings&) { return std::make_unique<KeepsRows>(); }

}  // namespace shoal::aggregators
