#pragma once
// The composed parts of one run, and the state that changes while it runs.

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "sim/clients/memory.hpp"
#include "sim/clients/population.hpp"
#include "sim/comm/communicator.hpp"
#include "sim/round/aggregator.hpp"
#include "sim/round/ahead.hpp"
#include "sim/round/attack.hpp"
#include "sim/round/client_side.hpp"
#include "sim/round/codec.hpp"
#include "sim/round/measures.hpp"
#include "sim/round/planner.hpp"
#include "sim/round/rule.hpp"
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
  std::vector<std::shared_ptr<const Codec>> codecs;  // a chain, in the order in which they encode
  std::shared_ptr<const Aggregator> aggregator;
  std::vector<std::shared_ptr<const Rule>> rules;  // applied one after the other to the aggregator's rows
  std::shared_ptr<const Attack> attack;            // null: none
  std::shared_ptr<const Planner> planner;
  SumSettings sums;

  /// A part and the name of its section: its kind, its place among the parts of this kind, from 1, and its own name,
  /// such as "stage/1/clip".
  struct Section {
    std::string name;
    const RoundPart* part;
  };
  /// All parts: strategy, stages, codecs, aggregator, rules, attack, planner.
  std::vector<Section> sections() const;
  /// The number of groups of clients with messages and sums of their own.
  std::int32_t groups() const { return strategy->groups(*task); }
  /// The name of the section of one of the parts.
  std::string section_of(const RoundPart& part) const;
  /// The parameters that the clients of a group train.
  const ParameterLayout& layout(std::int32_t group = 0) const { return task->layout(strategy->variant_of(group)); }
  /// The strategy's channels, then each stage's, with the sum settings applied, for the clients of a group.
  std::vector<Channel> channels(std::int32_t group = 0) const;
  /// The wires of these channels before each codec, and, last, as they are summed.
  std::vector<std::vector<Wire>> wires(std::span<const Channel> channels, std::int32_t group = 0) const;
  /// The memory of all parts; a slot's name begins with that of its part's section.
  std::vector<MemorySlot> memory() const;
  /// Calls `use` with the composition of all parts, which lives as long as the call.
  template <class Use>
  auto with_composition(const Use& use) const {
    const std::vector<Channel> all = channels();
    const std::vector<Wire> sent = wires(all).back();
    const LocalSettings first = local->at(1);
    Composition composition{.task = *task, .population = *population, .local = first, .channels = all, .wires = sent};
    for (const Section& section : sections()) composition.parts.push_back(section.part);
    return use(std::as_const(composition));
  }
  /// Whether rules, the attack or the strategy need an aggregator that gives rows.
  bool wants_rows() const {
    return !rules.empty() || (attack != nullptr && attack->wants_rows()) || strategy->wants_rows();
  }
  /// Whether the server takes a step in a round to which no client contributed.
  bool steps_without_clients() const;
  /// Throws UserError if the parts do not fit together.
  void check() const;
  /// Lines that `shoal plan` prints.
  std::vector<std::string> notes() const;
};

/// The name of a part's section for a group: that of group 0 is the part's own.
std::string section_of_group(std::string_view section, std::int32_t group);

/// Everything that changes. The same on every rank except for the client memory and the updates trained ahead, of which
/// each rank holds its part.
struct FederationState {
  FederationState(const Federation& federation, int ranks, int rank);

  ClientSide client_side;  // follows from the federation, which must outlive the state; does not change
  std::int64_t round = 0;  // number of rounds begun
  Ticks now{};             // virtual time
  Version version{};
  std::map<std::string, State, std::less<>> sections;  // sections of all parts, by name
  Board board;
  std::map<MessageId, Message> messages;  // those that participations in flight or the next round need
  std::map<ParticipationId, Participation> in_flight;
  std::vector<Feedback> feedback;  // from the commits of the last round
  ClientMemory memory;
  Ahead ahead;

  State& section(std::string_view name) { return sections.find(name)->second; }
  const State& section(std::string_view name) const { return sections.find(name)->second; }
  /// The section of a part that has one for each group.
  State& section(std::string_view name, std::int32_t group) { return section(section_of_group(name, group)); }
  const State& section(std::string_view name, std::int32_t group) const {
    return section(section_of_group(name, group));
  }
  /// The sections of the only strategy and the only planner.
  State& strategy() { return sections.lower_bound("strategy/")->second; }
  const State& strategy() const { return sections.lower_bound("strategy/")->second; }
  State& planner() { return sections.lower_bound("planner/")->second; }
};

/// The key of the part with this section in a round: other parts and rounds have independent draws.
RandomKey round_key(const Federation& federation, std::string_view section, std::int64_t round);
/// The facts that the server side of the part with this section may use in the round that `state` has begun. The
/// arguments must outlive the context. `group` is the one that the part sees, if it sees one at a time.
ServerContext server_context(const Federation& federation, FederationState& state, std::span<const Channel> channels,
                             std::string_view section, const ServerData* server = nullptr, std::int32_t group = 0);

/// Makes the message that a client of the group downloads if it starts now. Shares the state's tensors.
Message make_message(const Federation& federation, const FederationState& state, std::int32_t group = 0);
/// The same message, made once per version and group, when it is first needed, and kept in `state.messages`.
const Message& newest_message(const Federation& federation, FederationState& state, std::int32_t group = 0);
/// Bytes of the rows that the server keeps for one client.
std::int64_t kept_row_bytes(const Federation& federation);
/// Bytes of one download of the message, together with the rows that the server keeps for the client, but not with
/// those of others.
std::int64_t download_bytes(const Federation& federation, const Message& message);
/// Bytes that one client is expected to send.
std::int64_t expected_bytes(std::span<const Wire> wires);

/// Loss and accuracy of `params` over all chunks of the set of examples. Collective; the same for any number of ranks
/// and threads. `correct` is -1 if the task has no accuracy.
Evaluation evaluate(const at::Tensor& params, std::string_view set, const Task& task, Communicator& comm,
                    Trainers& trainers);

/// BLAKE2b of a tensor's bytes.
std::string digest(const at::Tensor& tensor);

}  // namespace shoal
