#pragma once
// The client side of one round: which blocks are this rank's, and what happens to one block between download and sum.

#include "sim/round/federation.hpp"
#include "sim/round/placement.hpp"

namespace shoal {

/// What training one block gave besides its contribution to the sum.
struct BlockOutcome {
  std::vector<std::size_t> positions;  // of its clients among the round's commits
  std::vector<ClientFigures> figures;  // of each client
  std::vector<ClientRecord> written;   // client memory
};

/// One round's training at one rank. Const after construction: workers train different blocks at the same time.
class RoundTraining {
 public:
  /// Collective: brings client memory to where it is needed. `lanes`: threads of all ranks; those that the commits
  /// leave idle train ahead, where clients train one at a time. 0: nothing is trained ahead.
  RoundTraining(const Federation& federation, const FederationState& state, const RoundPlan& plan,
                std::span<const Participation> committed, const LocalSettings& local,
                const std::vector<Channel>& channels, Communicator& comm, int lanes = 0);

  const std::vector<TrainingBlock>& mine() const { return mine_; }
  const AggregationPlan& sums() const { return sums_; }

  /// One participation each, of this rank, and who trains which of them on all ranks.
  const std::vector<TrainingBlock>& ahead() const { return ahead_; }
  const std::map<ParticipationId, int>& ahead_owners() const { return ahead_owners_; }

  /// Message, local training, stages, codec, sum; or the sum alone of what was trained ahead. Clients whose update is
  /// not finite or beyond its channel's bound are left out and marked.
  BlockOutcome train(std::size_t index, Trainer& trainer, Collector& collector) const;
  /// All of that but the sum; owns what it returns.
  TrainedBlock train_ahead(std::size_t index, Trainer& trainer) const;
  /// Memory of accepted clients goes home; of a client that is committed twice, what it wrote last in the plan's order,
  /// whichever ranks trained it. The state's feedback has been shared. Collective.
  void store_memory(ClientMemory& memory, std::vector<BlockOutcome>& outcomes, Communicator& comm) const;
  /// Undoes the codec and the stages' wrapping of an aggregate, in reverse order.
  void server_side(Aggregate& group, FederationState& state, ServerContext context) const;

 private:
  TrainedBlock work(const TrainingBlock& block, const std::vector<ClientRecord>& memory, Trainer& trainer) const;
  void weigh(Contribution& contribution, const TrainingBlock& block, TrainedBlock& done) const;

  const Federation& federation_;
  const FederationState& state_;
  const RoundPlan& plan_;
  AggregationPlan sums_;
  std::size_t strategy_channels_;            // the first ones
  std::vector<std::size_t> stage_channels_;  // first own channel of each stage
  std::vector<TrainingBlock> mine_, ahead_;
  std::map<ParticipationId, int> ahead_owners_;
  std::vector<std::vector<ClientRecord>> memory_;  // per block of mine_, then of ahead_, per client
};

/// The integer scale of each channel: from the plan's total weight and the channel's bound, before anybody trains.
AggregationPlan plan_sums(const std::vector<Channel>& channels, std::span<const Commit> commits,
                          std::span<const Participation> committed, const Task& task);

}  // namespace shoal
