#pragma once
// Training ahead: in asynchronous protocols few participations are committed in a step, but all in flight are known.
// Ranks and threads that would be idle train those that will be committed next and keep what they send until then.

#include <map>
#include <vector>

#include "sim/clients/memory.hpp"
#include "sim/nn/rows.hpp"
#include "sim/participation.hpp"
#include "sim/task/client_figures.hpp"

namespace shoal {

/// A block's finished work: what its clients send, before their weights in a sum are known. One entry per client but
/// for `channels`.
struct TrainedBlock {
  std::vector<Rows> channels;  // [channel] of [K, size], as the aggregator adds them
  std::vector<ClientFigures> figures;
  std::vector<double> weight;         // where a channel has real weights
  std::vector<ClientRecord> written;  // client memory
};

/// Participations that are trained ahead. They are not in checkpoints: a resumed run trains them again, to the same
/// bits.
struct Ahead {
  int lanes = 0;                                    // threads of all ranks; 0: not counted yet
  std::map<ParticipationId, int> owner;             // the rank that has the update; the same on every rank
  std::map<ParticipationId, TrainedBlock> trained;  // this rank's

  void forget(ParticipationId id) {
    owner.erase(id);
    trained.erase(id);
  }
};

struct FederationState;
struct RoundPlan;

/// The `most` participations in flight that finish first, of those that will complete and are neither committed nor
/// dropped out in `plan` nor trained yet. A client with two of them in flight is left out: the later one needs the
/// memory that the earlier one writes.
std::vector<Participation> next_to_finish(const FederationState& state, const RoundPlan& plan, std::size_t most);

}  // namespace shoal
