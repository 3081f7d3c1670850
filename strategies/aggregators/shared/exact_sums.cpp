#include "strategies/aggregators/shared/exact_sums.hpp"

#include <ATen/ops/empty.h>

#include <algorithm>

#include "kernels/fixed_point.hpp"

namespace shoal {

void add_channel(const Contribution& contribution, std::size_t c, std::int32_t group, const SumView& sum,
                 const ChannelScale& scale) {
  std::vector<std::int64_t> weights = contribution.weights[c];
  for (std::size_t k = 0; k < weights.size(); ++k) {
    // Others take no part, whatever they hold.
    if (!contribution.accepted[k] || contribution.group(k) != group) weights[k] = 0;
  }
  const Rows rows = contribution.channels[c].to(sum.device);
  if (scale.weight_unit == 1) return rows.add_to(sum, weights, scale.exponent);
  std::vector<double> factors;
  for (const std::int64_t weight : weights) factors.push_back(weight * scale.weight_unit);
  rows.add_weighted(sum, factors, scale.exponent);
}

std::vector<std::int32_t> groups_of(const Contribution& contribution) {
  if (contribution.groups.empty()) return {0};
  std::vector<std::int32_t> found = contribution.groups;
  std::ranges::sort(found);
  const auto repeated = std::ranges::unique(found);
  found.erase(repeated.begin(), repeated.end());
  return found;
}

ExactSums::ExactSums(const AggregationPlan& plan) : plan_(plan) {
  begin_.push_back(0);
  for (std::int32_t g = 0; g < plan_.groups; ++g) {
    std::size_t values = 0;
    for (const Wire& wire : plan_.wires_of(g)) values += wire.channel.size;
    begin_.push_back(begin_.back() + values + plan_.wires.size() + 1);
  }
  sums_.assign(begin_.back(), 0);
}

void ExactSums::add(const Contribution& contribution) {
  for (const std::int32_t group : groups_of(contribution)) {
    const std::span<std::int64_t> sums = part_of(group);
    std::int64_t at = 0;
    for (std::size_t c = 0; c < plan_.wires.size(); ++c) {
      const std::int64_t size = plan_.wires_of(group)[c].channel.size;
      add_channel(contribution, c, group, {sums.data() + at, size, nullptr, at::kCPU}, plan_.scales[c]);
      at += size;
    }
  }
  for (std::size_t k = 0; k < contribution.accepted.size(); ++k) {
    if (!contribution.accepted[k]) continue;
    const std::span<std::int64_t> totals = part_of(contribution.group(k)).last(plan_.wires.size() + 1);
    for (std::size_t c = 0; c < plan_.wires.size(); ++c) totals[c] += contribution.shares[c][k];
    ++totals.back();
  }
}

void ExactSums::merge(Collector& other) {
  const auto& theirs = static_cast<ExactSums&>(other).sums_;
  for (std::size_t i = 0; i < sums_.size(); ++i) sums_[i] += theirs[i];
}

std::vector<Aggregate> ExactSums::means(Communicator& comm) {
  comm.sum(sums_);
  std::vector<Aggregate> groups;
  for (std::int32_t g = 0; g < plan_.groups; ++g) groups.push_back(means_of(part_of(g), plan_.wires_of(g)));
  return groups;
}

Aggregate ExactSums::means_of(std::span<const std::int64_t> part, std::span<const Wire> wires) const {
  Aggregate total{.clients = part.back()};
  const std::span<const std::int64_t> weights = part.last(wires.size() + 1);
  std::size_t at = 0;
  for (std::size_t c = 0; c < wires.size(); ++c) {
    const std::size_t size = wires[c].channel.size;
    const std::int64_t weight = weights[c];
    total.means.push_back(mean_of(part.subspan(at, size), weight, plan_.scales[c]));
    total.weights.push_back(weight * plan_.scales[c].weight_unit);
    at += size;
  }
  return total;
}

Intake ExactSums::finish(Communicator& comm, ThreadPool&, State&) { return {.sums = means(comm)}; }

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
