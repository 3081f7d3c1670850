#pragma once
// Training ahead: a step of an asynchronous protocol commits few participations, but all participations in flight are
// known. Idle ranks and threads train those that will be committed next and keep the updates until then.

#include <map>
#include <vector>

#include "sim/clients/memory.hpp"
#include "sim/nn/rows.hpp"
#include "sim/participation.hpp"
#include "sim/task/client_figures.hpp"

namespace shoal {

/// A block's finished work: the updates of its clients before their weights in a sum are known. All members except
/// `channels` have one entry per client.
struct TrainedBlock {
  std::vector<Rows> channels;  // [K, size] for each channel, in the form that the aggregator adds
  std::vector<ClientFigures> figures;
  std::vector<double> weight;          // empty unless a channel has real weights
  std::vector<ClientRecord> written;   // client memory
  std::vector<std::int32_t> groups{};  // those that clients have chosen; empty: none has
};

/// Participations that are trained ahead. Checkpoints do not hold them: a resumed run trains them again, to the same
/// bits.
struct Ahead {
  int lanes = 0;                                    // number of threads of all ranks; 0: not counted yet
  std::map<ParticipationId, int> owner;             // the rank that holds the update; the same on every rank
  std::map<ParticipationId, TrainedBlock> trained;  // the updates that this rank holds

  void forget(ParticipationId id) {
    owner.erase(id);
    trained.erase(id);
  }
};

struct FederationState;
struct RoundPlan;
struct World;

/// The first `most` participations in flight to finish, among those that will contribute, do not end in `plan` and are
/// not trained yet. A client with two participations in flight is left out, because the later one needs the memory that
/// the earlier one writes.
std::vector<Participation> next_to_finish(const FederationState& state, const RoundPlan& plan, const World& world,
                                          std::size_t most);

}  // namespace shoal
