#include "sim/round/plan_sums.hpp"

#include <algorithm>
#include <cmath>

#include "kernels/fixed_point.hpp"

namespace shoal {
namespace {

constexpr double real_weight_unit = 1.0 / (1 << 24);

// The largest weight that the client's update may have, before the commit's factor.
double largest_weight(const Channel& channel, ClientId client, const Task& task) {
  if (channel.weighting == Weighting::examples) return task.work(client).examples;
  return channel.weighting == Weighting::real ? channel.largest_weight : 1;
}

}  // namespace

AggregationPlan plan_sums(std::span<const Wire> wires, const RoundPlan& round, std::span<const Participation> committed,
                          const Task& task) {
  const std::vector<Commit>& commits = round.commits;
  AggregationPlan plan{.wires = {wires.begin(), wires.end()},
                       .divisor = round.divisor,
                       .type = task.layout().type,
                       .device = task.layout().device};
  const bool whole = std::ranges::all_of(commits, [](const Commit& commit) { return commit.weight == 1; });
  for (const Wire& wire : wires) {
    const Channel& channel = wire.channel;
    ChannelScale scale{.weight_unit = whole && channel.weighting != Weighting::real ? 1.0 : real_weight_unit};
    double total = 0;
    for (std::size_t i = 0; i < commits.size(); ++i) {
      const double weight = largest_weight(channel, committed[i].client, task);
      // The sum counts weights in whole units, and a weight below one unit may be rounded up to it.
      total += std::ceil(weight * commits[i].weight / scale.weight_unit) * scale.weight_unit;
    }
    scale.exponent = unit_exponent(std::max(total, scale.weight_unit), *channel.bound);
    plan.scales.push_back(scale);
    plan.total_weight.push_back(total);
  }
  return plan;
}

}  // namespace shoal
