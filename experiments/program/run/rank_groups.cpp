#include "experiments/program/run/rank_groups.hpp"

#include <algorithm>

namespace shoal {

std::int64_t RankGroups::group_of(std::int64_t rank) const { return std::min(rank / ranks_per_cell, count - 1); }

RankGroups rank_groups(std::int64_t ranks, std::int64_t cells, std::int64_t ranks_per_cell) {
  if (ranks_per_cell == 0) ranks_per_cell = std::max<std::int64_t>(1, ranks / cells);
  return {ranks_per_cell, std::max<std::int64_t>(1, ranks / ranks_per_cell)};
}

}  // namespace shoal
