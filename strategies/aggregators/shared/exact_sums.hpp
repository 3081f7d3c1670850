#pragma once
// Weighted sums as integers in units of a power of two that is chosen from the plan: the same in any order and on any
// number of ranks and threads.

#include "sim/round/aggregator.hpp"

namespace shoal {

/// Adds the rows of channel c of the accepted clients in a group to a sum.
void add_channel(const Contribution& contribution, std::size_t c, std::int32_t group, const SumView& sum,
                 const ChannelScale& scale);

/// The groups that a contribution's updates count in, each once.
std::vector<std::int32_t> groups_of(const Contribution& contribution);

/// The sums of all channels on the host. Costs a single reduction of 8 (values + channels + 1) bytes per rank and
/// group.
class ExactSums final : public Collector {
 public:
  explicit ExactSums(const AggregationPlan& plan);

  void add(const Contribution& contribution) override;
  void merge(Collector& other) override;
  Intake finish(Communicator& comm, ThreadPool& pool, State& state) override;
  /// The means of each group over all ranks; collective.
  std::vector<Aggregate> means(Communicator& comm);

 private:
  // The numbers of one group: the sums of all channels, one total weight per channel, the number of accepted clients.
  std::span<std::int64_t> part_of(std::int32_t group) {
    return std::span(sums_).subspan(begin_[group], begin_[group + 1] - begin_[group]);
  }
  Aggregate means_of(std::span<const std::int64_t> part, std::span<const Wire> wires) const;
  at::Tensor mean_of(std::span<const std::int64_t> sum, std::int64_t weight, const ChannelScale& scale) const;

  const AggregationPlan& plan_;
  std::vector<std::size_t> begin_;  // places in `sums_` where the parts begin, and the end
  std::vector<std::int64_t> sums_;  // the parts of the groups, one after the other
};

}  // namespace shoal
