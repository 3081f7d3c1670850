#pragma once
// The base of all parts of a round: what each kind of part may check, keep, send and report, whatever else it does.

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "sim/clients/memory.hpp"
#include "sim/participation.hpp"
#include "sim/privacy/mechanism.hpp"
#include "sim/random.hpp"
#include "sim/round/board.hpp"
#include "sim/round/channel.hpp"
#include "sim/round/measures.hpp"
#include "sim/settings/part.hpp"
#include "sim/state.hpp"

namespace shoal {

class Population;
class RoundPart;
class ServerData;
class ServerRows;
class Task;
struct LocalSettings;
struct Wire;

/// The parts of a run that were composed, and what they are composed for.
struct Composition {
  std::vector<const RoundPart*> parts;  // strategy, stages, codecs, aggregator, rules, attack, planner
  const Task& task;
  const Population& population;
  const LocalSettings& local;         // settings of the first round
  std::span<const Channel> channels;  // all channels, in order
  std::span<const Wire> wires{};      // the form in which each is summed

  /// The first part of a kind, or null.
  template <class Kind>
  const Kind* find() const;
  /// All parts of a kind, in order.
  template <class Kind>
  std::vector<const Kind*> all() const;
};

/// The name under which a channel of a part other than the strategy is declared, and a tensor of its message is sent:
/// "stage/1/adaptive_clip/within_bound". Two parts of one name thus keep apart.
std::string scoped(std::string_view section, std::string_view name);

/// Facts that the server side of a part may use besides its state. The same on every rank.
struct ServerContext {
  const ParameterLayout& layout;
  std::span<const Channel> channels;
  std::int64_t population;             // number of clients; their ids are below it
  std::int64_t clients;                // number of clients with training examples
  std::int64_t round;                  // 1-based; 0 in `init`
  std::string_view section;            // name of the part's section, such as "stage/1/clip"
  RandomKey key;                       // belongs to this part, round and group: any others have independent draws
  double expected_cohort;              // Sampling::expected of the planner
  std::span<const Feedback> feedback;  // on the commits of this round
  Board& board;
  const ServerData* server = nullptr;    // in the steps of the server; null where it keeps no examples of its own
  ServerRows* rows = nullptr;            // in Strategy::server_update, if it wants rows
  std::span<const Aggregate> prelude{};  // there too, after a first exchange: one aggregate per group
  const Task* task = nullptr;            // with the layouts of the model's variants

  /// The index of the channel `name` that this part has declared.
  std::size_t own(std::string_view name) const { return index_of(channels, scoped(section, name)); }
};

/// Facts that the client side of a part may use. It never sees the server's state, only the message: a client may train
/// ahead of its commit, or in another process.
struct PartContext {
  const ParameterLayout& layout;
  std::span<const Channel> channels;
  std::span<const Participation> block;
  std::string_view section;  // name of the part's section, such as "stage/1/clip"
  RandomKey key;  // key of this part, and of the channel where a hook has one; the same in all rounds, so draws name
                  // the participation: RandomStream(key, client, participation)
  double expected_cohort;  // Sampling::expected of the planner

  /// The index of the channel `name` that this part has declared.
  std::size_t own(std::string_view name) const { return index_of(channels, scoped(section, name)); }
  /// The tensor that this part has broadcast under `name`.
  const at::Tensor& received(const Message& message, std::string_view name) const {
    return message.tensors.at(scoped(section, name));
  }
};

/// A part of a round: a strategy, planner, stage, codec, aggregator and so on. It holds settings only and stays
/// constant. Everything that changes is in its section of the state, which is the same on every rank, and in the
/// clients' memory. Sections, memory and random keys belong to a part by its kind, place and name, so two parts of the
/// same name keep apart.
class RoundPart {
 public:
  virtual ~RoundPart() = default;
  /// The name in the experiment file; set by `make_part`.
  const std::string& name() const { return name_; }
  void set_name(std::string_view name) { name_ = name; }

  /// Throws UserError with the reason if the part does not fit what it was composed with.
  virtual void check(const Composition&) const {}
  /// Lines that `shoal plan` prints: facts that are known before the first round.
  virtual std::vector<std::string> notes(const Composition&) const { return {}; }
  /// The tensors that each client keeps for this part between rounds.
  virtual std::vector<MemorySlot> memory(const ParameterLayout&, std::span<const Channel>) const { return {}; }
  /// Called once, before the first round, with the part's own section. The strategy's already holds "params". Stages,
  /// codecs, rules and attacks have a section for each group of clients and see one group at a time.
  virtual void init(State&, const ServerContext&) const {}
  /// Adds tensors to the message of a group of clients, where they count as download. A client reads them with
  /// `PartContext::received`; those of the strategy keep their names.
  virtual void broadcast(const State&, std::int32_t /*group*/, Message&) const {}
  /// Reports numbers and tables of the round to its record, after the server's step.
  virtual void report(const State&, Measures&, Tables&) const {}
  /// The noise that the part adds, for the accounting of differential privacy.
  virtual std::vector<Mechanism> mechanisms(const Composition&) const { return {}; }
  /// Whether the part chooses or weighs clients by what they report, such as their losses.
  virtual bool uses_feedback() const { return false; }
  /// Whether the server takes its step in a round in which no update was accepted, with an aggregate of no clients.
  virtual bool steps_without_clients() const { return false; }

 private:
  std::string name_ = "unnamed";
};

template <class Kind>
const Kind* Composition::find() const {
  for (const RoundPart* part : parts) {
    if (const auto* found = dynamic_cast<const Kind*>(part)) return found;
  }
  return nullptr;
}

template <class Kind>
std::vector<const Kind*> Composition::all() const {
  std::vector<const Kind*> found;
  for (const RoundPart* part : parts) {
    if (const auto* one = dynamic_cast<const Kind*>(part)) found.push_back(one);
  }
  return found;
}

}  // namespace shoal
