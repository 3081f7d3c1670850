#pragma once
// Determines the blocks of clients that a round trains, the rank of each, and the memory that they need.

#include "sim/round/placement.hpp"
#include "sim/round/plan_round.hpp"

namespace shoal {

/// The blocks of the round's commits, followed by those that are trained ahead (ahead.hpp), one participation each.
/// `lanes` is the number of threads of all ranks together; as many blocks are trained ahead as there are threads
/// without a commit to train, but none if blocks have several clients. The same on every rank.
std::vector<TrainingBlock> blocks_of_round(const PlannedRound& round, const FederationState& state, const Task& task,
                                           int lanes);

/// The rank of a block.
struct Assignment {
  int rank = 0;
  bool is_trained = false;  // true if it was trained ahead in an earlier round
};

/// Blocks that were trained ahead belong to the rank that holds them; the others are placed by their cost. The same on
/// every rank, in the order of the blocks.
std::vector<Assignment> assign(std::span<const TrainingBlock> blocks, const Ahead& ahead, int ranks);

/// The memory of each block's clients on the rank that will train the block; empty for all other blocks. Collective.
std::vector<std::vector<ClientRecord>> fetch_memory(std::span<const TrainingBlock> blocks,
                                                    std::span<const Assignment> assignments, const ClientMemory& memory,
                                                    Communicator& comm);

}  // namespace shoal
