#pragma once
// Groups of ranks that work at different cells of a grid at the same time.

#include <cstdint>

namespace shoal {

/// How a run divides its ranks: groups of equal size; ranks that are left over join the last group.
struct RankGroups {
  std::int64_t ranks_per_cell, count;

  std::int64_t group_of(std::int64_t rank) const;
};

/// `ranks_per_cell` 0: one rank per cell if there are more cells than ranks, otherwise all ranks are divided evenly.
RankGroups rank_groups(std::int64_t ranks, std::int64_t cells, std::int64_t ranks_per_cell = 0);

}  // namespace shoal
