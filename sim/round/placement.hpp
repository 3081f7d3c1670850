#pragma once
// Forms blocks of clients that are trained together, and places blocks on ranks.

#include <cstdint>
#include <span>
#include <vector>

#include "sim/participation.hpp"
#include "sim/task/task.hpp"

namespace shoal {

/// Clients that are trained together. They start from the same version in the same round, and are of the same group and
/// variant.
struct TrainingBlock {
  std::vector<Participation> participations;
  std::vector<std::size_t> positions;  // indices in the round's list of commits; empty if trained ahead
  double cost = 0;                     // predicted floating-point operations
};

/// Cuts participations into blocks of at most `local.block` clients. Depends on the plan only, never on ranks: clients
/// are sorted by version, round, group and variant, then by predicted work, so that the clients of a block have similar
/// numbers of steps, and last by id.
std::vector<TrainingBlock> compose_blocks(std::span<const Participation> participations, const Task& task,
                                          const LocalSettings& local);

/// Places work of these costs on ranks: the largest first, each on the least loaded rank (Graham 1969: at most 4/3 of
/// the optimal makespan). Returns the rank of each cost, the same on every rank without messages. Ties go to the lower
/// index and the lower rank.
std::vector<int> place(std::span<const double> costs, int ranks);

}  // namespace shoal
