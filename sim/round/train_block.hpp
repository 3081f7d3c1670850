#pragma once
// The client side of one round: which blocks are this rank's, and what happens to one block between download and sum.

#include "sim/round/round_blocks.hpp"

namespace shoal {

/// What training one block gave besides its contribution to the sum.
struct BlockOutcome {
  std::vector<std::size_t> positions;  // of its clients among the round's commits
  std::vector<ClientFigures> figures;  // of each client
  std::vector<ClientRecord> written;   // client memory
};

/// A block that this rank trains, and what each of its clients remembers.
struct OwnBlock {
  TrainingBlock block;
  std::vector<ClientRecord> memory;

  const std::vector<Participation>& participations() const { return block.participations; }
  /// That of its first client, under which a block trained ahead is kept.
  ParticipationId id() const { return block.participations.front().id; }
};

/// One round's training at one rank. Const after construction: workers train different blocks at the same time.
class RoundTraining {
 public:
  /// Collective: brings client memory to where it is needed. All arguments must outlive it. `lanes`: threads of all
  /// ranks, for training ahead; 0: nothing is trained ahead.
  RoundTraining(const Federation& federation, const FederationState& state, const PlannedRound& round,
                Communicator& comm, int lanes = 0);

  /// This rank's blocks of commits, and the participations that it trains ahead, one a block.
  const std::vector<OwnBlock>& commits() const { return commits_; }
  const std::vector<OwnBlock>& ahead() const { return ahead_; }
  /// The ranks of all participations that this round trains ahead.
  const std::map<ParticipationId, int>& ahead_owners() const { return ahead_owners_; }
  const AggregationPlan& sums() const { return sums_; }

  /// Message, local training, stages, codec, sum; or the sum alone of a block that was trained ahead. Clients whose
  /// update is not finite or beyond its channel's bound are left out and marked.
  BlockOutcome train(const OwnBlock& block, Trainer& trainer, Collector& collector) const;
  /// All of that but the sum. The result owns its memory.
  TrainedBlock train_ahead(const OwnBlock& block, Trainer& trainer) const;
  /// Memory of accepted clients goes home; of a client that is committed twice, what it wrote last in the plan's order,
  /// whichever ranks trained it. `figures` are those of all commits, `outcomes` those of `commits()`. Collective.
  void store_memory(ClientMemory& memory, std::span<const ClientFigures> figures, std::vector<BlockOutcome>& outcomes,
                    Communicator& comm) const;
  /// Undoes the codec and the stages' wrapping of an aggregate, in reverse order.
  void server_side(Aggregate& group, FederationState& state, ServerContext context) const;

 private:
  TrainedBlock client_side(const OwnBlock& block, Trainer& trainer) const;
  void encode(UpdateBlock& update, std::span<const Participation> clients, TrainedBlock& done) const;
  Contribution weigh(const TrainingBlock& block, TrainedBlock& done) const;

  const Federation& federation_;
  const FederationState& state_;
  const PlannedRound& round_;
  AggregationPlan sums_;
  std::size_t strategy_channels_;            // the first ones
  std::vector<std::size_t> stage_channels_;  // first own channel of each stage
  std::vector<OwnBlock> commits_, ahead_;
  std::map<ParticipationId, int> ahead_owners_;
};

}  // namespace shoal
