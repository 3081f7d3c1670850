#pragma once
// The composed parts of one run, and the state that changes while it runs.

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "sim/clients/memory.hpp"
#include "sim/clients/population.hpp"
#include "sim/comm/communicator.hpp"
#include "sim/round/aggregator.hpp"
#include "sim/round/ahead.hpp"
#include "sim/round/codec.hpp"
#include "sim/round/measures.hpp"
#include "sim/round/planner.hpp"
#include "sim/round/stage.hpp"
#include "sim/round/strategy.hpp"
#include "sim/round/trainers.hpp"
#include "sim/round/world.hpp"

namespace shoal {

/// How updates are summed, whatever the aggregator.
struct SumSettings {
  double bound = 256;                  // largest magnitude of a value, unless the channel declares its own
  std::optional<Weighting> weighting;  // overrides the strategy's choice between examples and uniform
};

/// The parts of one cell of an experiment: constant while it runs, the same on every rank.
struct Federation {
  std::uint64_t seed = 1;
  std::shared_ptr<const Task> task;
  std::shared_ptr<const Population> population;
  std::shared_ptr<const LocalTraining> local;
  std::shared_ptr<const Strategy> strategy;
  std::vector<std::shared_ptr<const Stage>> stages;
  std::shared_ptr<const Codec> codec;
  std::shared_ptr<const Aggregator> aggregator;
  std::shared_ptr<const Planner> planner;
  SumSettings sums;

  /// The strategy's channels, then each stage's, with the sum settings applied.
  std::vector<Channel> channels() const;
  /// Whether encoded updates are summed and the sum is decoded; otherwise each update is decoded before it is summed.
  bool sums_words() const { return codec->summable() && !aggregator->needs_rows(); }
  /// Throws UserError if the parts do not fit together.
  void check() const;
};

/// Everything that changes. The same on every rank except for the client memory and the updates trained ahead, of which
/// each rank holds its part.
struct FederationState {
  FederationState(const Federation& federation, int ranks, int rank);

  std::int64_t round = 0;  // number of rounds begun
  Ticks now{};             // virtual time
  Version version{};
  State strategy, planner;
  std::vector<State> stages;
  std::map<Version, Message> messages;  // versions that participations in flight or the next round need
  std::map<ParticipationId, Participation> in_flight;
  std::vector<Feedback> feedback;  // from the commits of the last round
  ClientMemory memory;
  Ahead ahead;
};

/// Makes the message that a client downloads if it starts now. Shares the state's tensors.
Message make_message(const Federation& federation, const FederationState& state);
/// The same message, made once per version and kept in `state.messages`.
const Message& newest_message(const Federation& federation, FederationState& state);
/// Bytes that one client is expected to send.
std::int64_t expected_bytes(std::span<const Channel> channels, const Federation& federation);

/// Loss and accuracy of `params` over all chunks of the set of examples. Collective; the same for any number of ranks
/// and threads. `correct` is -1 if the task has no accuracy.
Evaluation evaluate(const at::Tensor& params, std::string_view set, const Task& task, Communicator& comm,
                    Trainers& trainers);

/// BLAKE2b of a tensor's bytes.
std::string digest(const at::Tensor& tensor);

}  // namespace shoal
