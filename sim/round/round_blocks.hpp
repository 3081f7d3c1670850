#pragma once
// Which blocks of clients are trained in a round, at which rank, and with which memory.

#include "sim/round/placement.hpp"
#include "sim/round/plan_round.hpp"

namespace shoal {

/// The blocks of the round's commits, and after them those that are trained ahead (ahead.hpp), one participation each:
/// as many as there are `lanes`, threads of all ranks, without a commit to train, and none where clients train several
/// at a time. The same on every rank.
std::vector<TrainingBlock> blocks_of_round(const PlannedRound& round, const FederationState& state, const Task& task,
                                           int lanes);

/// Where a block belongs.
struct Assignment {
  int rank = 0;
  bool is_trained = false;  // ahead, in an earlier round
};

/// Blocks that have been trained ahead belong to the rank that has them, the others are placed by their cost. The same
/// on every rank, in the order of the blocks.
std::vector<Assignment> assign(std::span<const TrainingBlock> blocks, const Ahead& ahead, int ranks);

/// What the clients of each block remember, at the rank that will train the block; nothing of other blocks. Collective.
std::vector<std::vector<ClientRecord>> fetch_memory(std::span<const TrainingBlock> blocks,
                                                    std::span<const Assignment> assignments, const ClientMemory& memory,
                                                    Communicator& comm);

}  // namespace shoal
