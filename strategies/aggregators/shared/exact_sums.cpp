#include "strategies/aggregators/shared/exact_sums.hpp"

#include <ATen/ops/empty.h>

#include "kernels/fixed_point.hpp"

namespace shoal {

void add_channel(const Contribution& contribution, std::size_t c, const SumView& sum, const ChannelScale& scale) {
  std::vector<std::int64_t> weights = contribution.weights[c];
  for (std::size_t k = 0; k < weights.size(); ++k) {
    if (!contribution.accepted[k]) weights[k] = 0;  // takes no part, whatever it holds
  }
  const Rows rows = contribution.channels[c].to(sum.device);
  if (scale.weight_unit == 1) return rows.add_to(sum, weights, scale.exponent);
  std::vector<double> factors;
  for (const std::int64_t weight : weights) factors.push_back(weight * scale.weight_unit);
  rows.add_weighted(sum, factors, scale.exponent);
}

ExactSums::ExactSums(const AggregationPlan& plan) : plan_(plan) {
  std::size_t values = 0;
  for (const Wire& wire : plan_.wires) values += wire.channel.size;
  sums_.assign(values + plan_.wires.size() + 1, 0);
}

void ExactSums::add(const Contribution& contribution) {
  std::int64_t at = 0;
  for (std::size_t c = 0; c < plan_.wires.size(); ++c) {
    add_channel(contribution, c, {sums_.data() + at, plan_.wires[c].channel.size, nullptr, at::kCPU}, plan_.scales[c]);
    for (std::size_t k = 0; k < contribution.accepted.size(); ++k) {
      if (contribution.accepted[k]) weight_of(c) += contribution.shares[c][k];
    }
    at += plan_.wires[c].channel.size;
  }
  for (const bool accepted : contribution.accepted) sums_.back() += accepted ? 1 : 0;
}

void ExactSums::merge(Collector& other) {
  const auto& theirs = static_cast<ExactSums&>(other).sums_;
  for (std::size_t i = 0; i < sums_.size(); ++i) sums_[i] += theirs[i];
}

Aggregate ExactSums::means(Communicator& comm) {
  comm.sum(sums_);
  Aggregate total{.clients = sums_.back()};
  std::size_t at = 0;
  for (std::size_t c = 0; c < plan_.wires.size(); ++c) {
    const std::size_t size = plan_.wires[c].channel.size;
    total.means.push_back(mean_of(std::span(sums_).subspan(at, size), weight_of(c), plan_.scales[c]));
    total.weights.push_back(weight_of(c) * plan_.scales[c].weight_unit);
    at += size;
  }
  return total;
}

Intake ExactSums::finish(Communicator& comm, ThreadPool&, State&) { return {.sums = {means(comm)}}; }

at::Tensor ExactSums::mean_of(std::span<const std::int64_t> sum, std::int64_t weight, const ChannelScale& scale) const {
  at::Tensor mean = at::empty({std::ssize(sum)}, at::TensorOptions(plan_.type));
  if (weight == 0) return mean.zero_();  // no client was accepted
  const double total = weight * scale.weight_unit;
  if (plan_.type == at::kDouble) {
    to_mean<double>(sum, scale.exponent, total, {mean.mutable_data_ptr<double>(), sum.size()});
  } else {
    to_mean<float>(sum, scale.exponent, total, {mean.mutable_data_ptr<float>(), sum.size()});
  }
  return mean;
}

}  // namespace shoal
