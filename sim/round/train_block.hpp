#pragma once
// The client side of one round: the blocks that this rank trains, and the steps of one block between download and sum.

#include "sim/round/round_blocks.hpp"

namespace shoal {

/// The results of training one block besides its contribution to the sum, one entry per client.
struct BlockOutcome {
  std::vector<std::size_t> positions;  // indices of the clients in the round's list of commits
  std::vector<ClientFigures> figures;
  std::vector<ClientRecord> written;  // client memory
  std::vector<std::int32_t> groups;   // those that clients have chosen; empty: none has
};

/// A block that this rank trains, and the memory of each of its clients.
struct OwnBlock {
  TrainingBlock block;
  std::vector<ClientRecord> memory;

  const std::vector<Participation>& participations() const { return block.participations; }
  /// The id of its first participation, which is the key of a block trained ahead.
  ParticipationId id() const { return block.participations.front().id; }
};

/// One round's training on one rank. Constant after construction, so that workers can train different blocks at the
/// same time.
class RoundTraining {
 public:
  /// Collective: brings client memory to the ranks that need it. All arguments must outlive the object. `lanes` is the
  /// number of threads of all ranks together, for training ahead; with 0, nothing is trained ahead. `train_clients`
  /// trains the blocks in place of `ClientSide::train`. `joined` holds the groups' messages after a first exchange, if
  /// there has been one; nothing is trained ahead then.
  RoundTraining(const Federation& federation, const FederationState& state, const PlannedRound& round,
                Communicator& comm, int lanes = 0, TrainClients train_clients = {},
                std::map<std::int32_t, Message> joined = {});

  /// This rank's blocks of commits, and the participations that it trains ahead, one per block.
  const std::vector<OwnBlock>& commits() const { return commits_; }
  const std::vector<OwnBlock>& ahead() const { return ahead_; }
  /// All participations that this round trains ahead, and the rank of each.
  const std::map<ParticipationId, int>& ahead_owners() const { return ahead_owners_; }
  const AggregationPlan& sums() const { return round_.session; }

  /// Takes one block from its message through local training, stages and codec to the sum; a block that was trained
  /// ahead is only added to the sum. Clients whose update is not finite or exceeds its channel's bound are left out and
  /// marked.
  BlockOutcome train(const OwnBlock& block, Trainer& trainer, Collector& collector) const;
  /// The same without the sum. The result owns its memory.
  TrainedBlock train_ahead(const OwnBlock& block, Trainer& trainer) const;
  /// Whether a rule compares updates with one that is trained on examples of the server, and that update [d], in the
  /// layout of a row on the host. Every rank trains the same.
  bool wants_reference() const;
  at::Tensor train_reference(Trainer& trainer) const;
  /// Recovers the means of each group's updates from those of the words, and lets codecs complete what clients have
  /// remembered. Where there are several groups, parts see those that have updates, unless they step without clients.
  void decode(std::span<Aggregate> groups, FederationState& state, std::span<BlockOutcome> outcomes,
              ThreadPool& pool) const;
  /// Sends the memory of accepted clients to its home ranks. A client that is committed twice keeps the later of its
  /// two records in the plan's order, whichever ranks trained it. `figures` has an entry for each commit of the round,
  /// `outcomes` one for each block of `commits()`. Collective.
  void store_memory(ClientMemory& memory, std::span<const ClientFigures> figures, std::vector<BlockOutcome>& outcomes,
                    Communicator& comm) const;
  /// Tells the stages which updates of the round were accepted.
  void observe(FederationState& state) const;
  /// Runs the server side of the stages in reverse order, for the same groups as `decode`.
  void server_side(std::span<Aggregate> groups, FederationState& state, const ServerData* server = nullptr) const;

 private:
  TrainedBlock client_side(const OwnBlock& block, Trainer& trainer) const;
  TrainedBlock train_with(const Message& message, const OwnBlock& block, Trainer& trainer) const;
  const Message& message_of(const Participation& first) const;
  void fetch_rows(Communicator& comm, std::span<const Assignment> assignments, std::span<const TrainingBlock> blocks);
  bool is_left_out(const Aggregate& group, std::size_t groups) const;

  const Federation& federation_;
  const FederationState& state_;
  const PlannedRound& round_;
  TrainClients train_clients_;
  std::vector<OwnBlock> commits_, ahead_;
  std::map<ParticipationId, int> ahead_owners_;
  std::map<std::int32_t, Message> joined_;
  std::map<ClientId, std::vector<SentRows>> rows_;  // kept rows of others, for the clients of this rank's blocks
};

}  // namespace shoal
