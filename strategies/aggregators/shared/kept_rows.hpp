#pragma once
// Keeps the updates of accepted clients as rows, for aggregators that compare them.

#include <vector>

#include "sim/round/aggregator.hpp"

namespace shoal {

/// The rows that one thread has collected: n d / R values on R ranks, on the host.
class KeptRows {
 public:
  enum class Values {
    sent,   // the values that clients send, with their weights
    added,  // values times weight / share, with the shares as weights (Contribution), so that the weighted mean of the
            // rows is the mean of the sums
  };
  /// `channels` are the numbers of the channels that make up a row.
  KeptRows(const AggregationPlan& plan, std::vector<std::size_t> channels, Values values);

  void add(const Contribution& contribution);
  void merge(KeptRows& other);
  /// The rows of all ranks; collective, and the rows kept here are gone afterwards.
  RowSet take(Communicator& comm, ThreadPool& pool);

 private:
  std::vector<std::size_t> channels_;
  std::vector<std::int64_t> widths_;  // per channel of a row
  std::vector<double> units_;         // units of the weights, likewise
  std::int64_t width_ = 0;
  at::ScalarType type_;
  Values form_;
  std::vector<KeptRow> rows_;
};

}  // namespace shoal
