#include "strategies/aggregators/shared/kept_rows.hpp"

#include <ATen/ops/empty.h>

#include <algorithm>
#include <iterator>

namespace shoal {

KeptRows::KeptRows(const AggregationPlan& plan) : type_(plan.type) {
  for (std::size_t c = 0; c < plan.wires.size(); ++c) {
    widths_.push_back(plan.wires[c].channel.size);
    units_.push_back(plan.scales[c].weight_unit);
    width_ += plan.wires[c].channel.size;
  }
}

void KeptRows::add(const Contribution& contribution) {
  std::vector<at::Tensor> channels;
  for (const Rows& rows : contribution.channels) channels.push_back(rows.dense());
  for (std::size_t k = 0; k < contribution.accepted.size(); ++k) {
    if (!contribution.accepted[k]) continue;
    KeptRow row{.client = contribution.clients[k]};
    row.values = at::empty({width_}, at::TensorOptions(type_));  // on the host, for messages
    std::int64_t at = 0;
    for (std::size_t c = 0; c < widths_.size(); at += widths_[c], ++c) {
      row.values.narrow(0, at, widths_[c]).copy_(channels[c][k]);
      row.weights.push_back(contribution.weights[c][k] * units_[c]);
    }
    rows_.push_back(std::move(row));
  }
}

void KeptRows::merge(KeptRows& other) {
  std::ranges::move(other.rows_, std::back_inserter(rows_));
  other.rows_.clear();
}

RowSet KeptRows::take(Communicator& comm, ThreadPool& pool) {
  return {std::exchange(rows_, {}), widths_, type_, comm, pool};
}

}  // namespace shoal
