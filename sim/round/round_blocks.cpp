#include "sim/round/round_blocks.hpp"

namespace shoal {
namespace {

// Only blocks of one client are trained ahead, so looking at the first client is enough.
bool is_trained(const TrainingBlock& block, const Ahead& ahead) {
  return ahead.owner.contains(block.participations.front().id);
}

}  // namespace

std::vector<TrainingBlock> blocks_of_round(const PlannedRound& round, const FederationState& state, const Task& task,
                                           int lanes) {
  std::vector<TrainingBlock> blocks = compose_blocks(round.committed, task, round.local);
  const std::int64_t waiting =
      std::ranges::count_if(blocks, [&](const TrainingBlock& block) { return !is_trained(block, state.ahead); });
  if (round.local.block > 1 || waiting == 0 || waiting >= lanes) return blocks;
  for (const Participation& p : next_to_finish(state, round.plan, round.world, lanes - waiting)) {
    blocks.push_back({.participations = {p}, .cost = local_flops(task.work(p.client), round.local, p.fraction)});
  }
  return blocks;
}

std::vector<Assignment> assign(std::span<const TrainingBlock> blocks, const Ahead& ahead, int ranks) {
  std::vector<double> costs;
  for (const TrainingBlock& block : blocks) {
    if (!is_trained(block, ahead)) costs.push_back(block.cost);
  }
  const std::vector<int> placed = place(costs, ranks);
  std::vector<Assignment> assignments;
  std::size_t next = 0;  // index in `placed`
  for (const TrainingBlock& block : blocks) {
    if (is_trained(block, ahead)) {
      assignments.push_back({.rank = ahead.owner.at(block.participations.front().id), .is_trained = true});
    } else {
      assignments.push_back({.rank = placed[next]});
      ++next;
    }
  }
  return assignments;
}

std::vector<std::vector<ClientRecord>> fetch_memory(std::span<const TrainingBlock> blocks,
                                                    std::span<const Assignment> assignments, const ClientMemory& memory,
                                                    Communicator& comm) {
  std::vector<std::vector<ClientRecord>> records(blocks.size());
  if (memory.empty()) return records;
  std::vector<std::vector<ClientId>> wanted(comm.size());  // clients whose memory each rank needs
  for (std::size_t b = 0; b < blocks.size(); ++b) {
    if (assignments[b].is_trained) continue;
    for (const Participation& p : blocks[b].participations) wanted[assignments[b].rank].push_back(p.client);
  }
  std::vector<ClientRecord> fetched = memory.fetch(wanted, comm);
  auto next = fetched.begin();
  for (std::size_t b = 0; b < blocks.size(); ++b) {
    if (assignments[b].is_trained || assignments[b].rank != comm.rank()) continue;
    const auto end = next + std::ssize(blocks[b].participations);
    records[b].assign(std::move_iterator(next), std::move_iterator(end));
    next = end;
  }
  return records;
}

}  // namespace shoal
