#include "sim/round/placement.hpp"

#include <algorithm>
#include <numeric>
#include <queue>
#include <tuple>

namespace shoal {
namespace {

// The participations of a block agree in these.
auto shared_by_block(const Participation& p) { return std::tuple(p.version, p.round, p.group, p.variant); }

}  // namespace

std::vector<TrainingBlock> compose_blocks(std::span<const Participation> participations, const Task& task,
                                          const LocalSettings& local) {
  std::vector<double> costs(participations.size());
  for (std::size_t i = 0; i < costs.size(); ++i) {
    costs[i] = local_flops(task.work(participations[i].client), local, participations[i].fraction);
  }
  std::vector<std::size_t> order(participations.size());
  std::iota(order.begin(), order.end(), 0);
  std::ranges::sort(order, {}, [&](std::size_t i) {
    const Participation& p = participations[i];
    return std::tuple(shared_by_block(p), -costs[i], p.client, p.id);
  });
  std::vector<TrainingBlock> blocks;
  for (const std::size_t i : order) {
    const bool fits = !blocks.empty() && std::ssize(blocks.back().positions) < local.block &&
                      shared_by_block(blocks.back().participations.front()) == shared_by_block(participations[i]);
    if (!fits) blocks.emplace_back();
    blocks.back().participations.push_back(participations[i]);
    blocks.back().positions.push_back(i);
    blocks.back().cost += costs[i];
  }
  return blocks;
}

std::vector<int> place(std::span<const double> costs, int ranks) {
  std::vector<std::size_t> order(costs.size());
  std::iota(order.begin(), order.end(), 0);
  std::ranges::stable_sort(order, std::greater<>{}, [&](std::size_t i) { return costs[i]; });
  using Load = std::pair<double, int>;
  std::priority_queue<Load, std::vector<Load>, std::greater<>> loads;
  for (int r = 0; r < ranks; ++r) loads.emplace(0.0, r);
  std::vector<int> owner(costs.size());
  for (const std::size_t i : order) {
    const auto [load, rank] = loads.top();
    loads.pop();
    owner[i] = rank;
    loads.emplace(load + costs[i], rank);
  }
  return owner;
}

}  // namespace shoal
