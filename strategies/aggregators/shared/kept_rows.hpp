#pragma once
// Keeps the updates of accepted clients as rows, for aggregators that compare them.

#include <vector>

#include "sim/round/aggregator.hpp"
#include "sim/round/row_set.hpp"

namespace shoal {

/// The rows that one thread has collected: n d / R values on R ranks, on the host.
class KeptRows {
 public:
  explicit KeptRows(const AggregationPlan& plan);

  void add(const Contribution& contribution);
  void merge(KeptRows& other);
  /// The rows of all ranks; collective, and the rows kept here are gone afterwards.
  RowSet take(Communicator& comm, ThreadPool& pool);

 private:
  std::vector<std::int64_t> widths_;  // per channel
  std::vector<double> units_;         // units of the weights, per channel
  std::int64_t width_ = 0;
  at::ScalarType type_;
  std::vector<KeptRow> rows_;
};

}  // namespace shoal
