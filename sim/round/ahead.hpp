#pragma once
// Training ahead: in asynchronous protocols few participations are committed in a step, but all in flight are known.
// Ranks and threads that would be idle train those that will be committed next and keep what they send until then.

#include <map>
#include <vector>

#include "sim/clients/memory.hpp"
#include "sim/participation.hpp"
#include "sim/task/client_figures.hpp"
#include "sim/task/rows.hpp"

namespace shoal {

/// A block's finished work: what its clients send, before their weights in a sum are known. One entry per client but
/// for `channels`.
struct TrainedBlock {
  std::vector<Rows> channels;  // [channel] of [K, size], as the aggregator adds them
  std::vector<ClientFigures> figures;
  std::vector<double> weight;         // where a channel has real weights
  std::vector<ClientRecord> written;  // client memory
};

/// What has been trained ahead. Not in checkpoints: what is missing is trained again, to the same bits.
struct Ahead {
  int lanes = 0;                                    // threads of all ranks; 0: not counted yet
  std::map<ParticipationId, int> owner;             // the rank that has it; the same on every rank
  std::map<ParticipationId, TrainedBlock> trained;  // this rank's

  void forget(ParticipationId id) {
    owner.erase(id);
    trained.erase(id);
  }
};

struct FederationState;
struct RoundPlan;

/// Of the participations in flight that are neither committed nor lost in `plan` nor trained yet and will complete, the
/// `most` that finish first. A client with another participation in flight is left out: that one's memory comes first.
std::vector<Participation> next_to_finish(const FederationState& state, const RoundPlan& plan, std::size_t most);

}  // namespace shoal
