#pragma once
// Weighted sums as integers in units of a power of two that is chosen from the plan: the same in any order and on any
// number of ranks and threads.

#include "sim/round/aggregator.hpp"

namespace shoal {

/// Adds the accepted clients' rows of channel c to a sum.
void add_channel(const Contribution& contribution, std::size_t c, const SumView& sum, const ChannelScale& scale);

/// The sums of all channels on the host. Costs a single reduction of 8 (values + channels + 1) bytes per rank.
class ExactSums final : public Collector {
 public:
  explicit ExactSums(const AggregationPlan& plan);

  void add(const Contribution& contribution) override;
  void merge(Collector& other) override;
  Intake finish(Communicator& comm, ThreadPool& pool, State& state) override;
  /// The means of all ranks; collective.
  Aggregate means(Communicator& comm);

 private:
  std::int64_t& weight_of(std::size_t channel) { return sums_[sums_.size() - 1 - plan_.wires.size() + channel]; }
  at::Tensor mean_of(std::span<const std::int64_t> sum, std::int64_t weight, const ChannelScale& scale) const;

  const AggregationPlan& plan_;
  // The sums of all channels one after the other, one total weight per channel, and the number of accepted clients.
  std::vector<std::int64_t> sums_;
};

}  // namespace shoal
