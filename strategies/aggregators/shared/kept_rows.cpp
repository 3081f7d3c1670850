#include "strategies/aggregators/shared/kept_rows.hpp"

#include <ATen/ops/empty.h>

#include <algorithm>
#include <iterator>

namespace shoal {

KeptRows::KeptRows(const AggregationPlan& plan, std::vector<std::size_t> channels, Values values)
    : channels_(std::move(channels)), type_(plan.type), form_(values) {
  for (const std::size_t c : channels_) {
    widths_.push_back(plan.wires[c].channel.size);
    units_.push_back(plan.scales[c].weight_unit);
    width_ += plan.wires[c].channel.size;
  }
}

void KeptRows::add(const Contribution& contribution) {
  std::vector<at::Tensor> values;
  for (const std::size_t c : channels_) values.push_back(contribution.channels[c].dense());
  for (std::size_t k = 0; k < contribution.accepted.size(); ++k) {
    if (!contribution.accepted[k]) continue;
    const Participation& sender = contribution.block[k];
    KeptRow row{.client = sender.client, .id = sender.id, .group = contribution.group(k)};
    row.values = at::empty({width_}, at::TensorOptions(type_));  // on the host, for messages
    std::int64_t at = 0;
    for (std::size_t i = 0; i < channels_.size(); at += widths_[i], ++i) {
      const std::size_t c = channels_[i];
      at::Tensor own = row.values.narrow(0, at, widths_[i]).copy_(values[i][k]);
      double weight = contribution.weights[c][k];
      if (form_ == Values::added && contribution.shares[c][k] != contribution.weights[c][k]) {
        const double share = contribution.shares[c][k];
        own.mul_(share > 0 ? weight / share : 0);
        weight = share;
      }
      row.weights.push_back(weight * units_[i]);
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
