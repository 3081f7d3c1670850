#pragma once
// Which clients are trained together, and on which rank.

#include <cstdint>
#include <span>
#include <vector>

#include "sim/participation.hpp"
#include "sim/task/task.hpp"

namespace shoal {

/// Clients that train as one stacked problem: same version and starting round, positions in the round's list of
/// commits.
struct TrainingBlock {
  std::vector<Participation> participations;
  std::vector<std::size_t> positions;
  double cost = 0;  // predicted floating-point operations
};

/// Cuts participations into blocks of at most `local.block` clients. Depends on the plan only, never on ranks: sorted
/// by version and round, then by predicted work so that stacked clients are of like length, then by client.
std::vector<TrainingBlock> compose_blocks(std::span<const Participation> participations, const Task& task,
                                          const LocalSettings& local);

/// Longest predicted work first, each to the least loaded rank (Graham 1969: at most 4/3 of the optimum). The same on
/// every rank, without messages. Returns the rank of each cost; ties go to the lower index and the lower rank.
std::vector<int> place(std::span<const double> costs, int ranks);

}  // namespace shoal
