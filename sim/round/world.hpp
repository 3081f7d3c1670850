#pragma once
// A planner's view of the simulation when it decides a server step, and its way to start participations.

#include <map>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "sim/clients/daily_use.hpp"
#include "sim/clients/fate.hpp"
#include "sim/round/board.hpp"
#include "sim/round/protocol.hpp"
#include "sim/state.hpp"
#include "sim/task/task.hpp"

namespace shoal {

struct Federation;
struct FederationState;
class Groups;
class Strategy;

// Numbers of the download and the upload among a participation's phases, see PhaseEnds::number.
constexpr std::size_t download_number = 0, upload_number = 2;

/// The mean loss of a probed client's training examples at the newest version.
struct Probe {
  ClientId client{};
  double loss = 0;
};

/// Everything that is known when a server step is planned. A planner may copy it and change the copy, for instance its
/// `now`; all copies share the daily quotas.
struct World {
  const Task& task;
  const Population& population;
  LocalSettings local{};  // the work of this round, as the strategy counts it
  std::uint64_t seed = 1;
  std::int64_t round = 1;  // 1-based
  Ticks now{};
  Version version{};                              // newest version of the model
  std::int64_t message_bytes = 0;                 // bytes of the newest message, of group 0
  std::map<Version, std::int64_t> bytes_since{};  // those of the newest message
  std::int64_t bytes_up = 0;                      // expected bytes of one client's update
  const std::map<ParticipationId, Participation>& in_flight;
  std::span<const Feedback> feedback{};             // from the last round's commits
  std::vector<Probe> probes{};                      // answers to Planner::probe, in its order
  std::vector<ProtocolPhase> protocol{};            // Aggregator::phases: those before the download come first
  std::vector<Ticks> barriers{};                    // see hold_at_barriers
  const Board* board = nullptr;                     // scores of clients; null: there are none
  bool steps_without_clients = false;               // whether the server takes a step even without updates
  const std::map<ClientId, Ticks>* busy = nullptr;  // until when clients work for another task; null: for none
  DailyUse* used = nullptr;                // today's use if there are quotas; only `start` and `restart` change it
  const Strategy* strategy = nullptr;      // says what devices are charged for; null: for one training
  std::shared_ptr<const Groups> groups{};  // those of the clients and their downloads; null: one group
  bool downloads = true;                   // false: the clients hold their messages already
  const State* sender = nullptr;           // the strategy's, where clients download kept rows of others; or null
  std::int64_t row_bytes = 0;              // size of the rows that are kept for one client

  /// Floating-point operations of `fraction` of a client's local work.
  double operations(ClientId client, double fraction) const;
  /// The times at which download, training and upload end if nothing interrupts them, counted from the start. The three
  /// phases take bytes down / download bandwidth, operations / speed and bytes_up / upload bandwidth, at least 1
  /// microsecond in all; the protocol's phases come before and after them. `fraction` is the share of the local work.
  PhaseEnds phases(const Device& device, ClientId client, double fraction) const;
  /// The same with the median bandwidths of the client's device, which are all that is known before a participation.
  PhaseEnds phases(ClientId client, double fraction = 1) const {
    return phases(population.device(client), client, fraction);
  }
  Ticks duration(ClientId client, double fraction = 1) const { return phases(client, fraction).last(); }
  /// Bytes of the client's download of the newest message, which depend on the version that it holds if the message
  /// says so (Message::bytes_since).
  std::int64_t bytes_down(ClientId client) const {
    if (!downloads) return 0;
    const std::int64_t rows = sender == nullptr ? 0 : bytes_of_rows(client);
    if (groups != nullptr) return bytes_in_group(client) + rows;
    return (bytes_since.empty() ? message_bytes : bytes_since_held(client)) + rows;
  }
  /// The bytes of other clients' rows in the client's download.
  std::int64_t bytes_of_rows(ClientId client) const;
  /// Bytes that the client is expected to send.
  std::int64_t bytes_sent(ClientId client) const { return groups == nullptr ? bytes_up : bytes_up_in_group(client); }
  std::int64_t bytes_up_in_group(ClientId client) const;
  /// The bytes of a download where groups of clients get messages of their own.
  std::int64_t bytes_in_group(ClientId client) const;
  /// The same where the message says so.
  std::int64_t bytes_since_held(ClientId client) const;
  double score(std::string_view name, ClientId client, double otherwise = 0) const {
    return board == nullptr ? otherwise : board->score(name, client, otherwise);
  }
  /// Whether the update of a participation can be committed.
  bool contributes(const Participation& p) const { return shoal::contributes(p, protocol); }
  /// Whether the client is available now, is not excluded, does not work for another task, and has enough left of its
  /// daily quotas for what it is predicted to spend.
  bool may_start(ClientId client) const;
  /// The first instant from `time` on at which the client's quotas allow a participation; `never` if a participation
  /// exceeds them even on a fresh day.
  Ticks allowed_from(ClientId client, Ticks time) const;
  /// Participation `id` of `client` if it starts now, from the newest version, with its share of work and its fate.
  Participation fated(ParticipationId id, ClientId client, Terms terms = {}) const;
  /// Starts it, and counts it towards the client's daily quotas.
  Participation start(ParticipationId id, ClientId client, Terms terms = {});
  /// For a planner that has changed a participation it started: counts `after` towards the quotas instead of `before`.
  void restart(const Participation& before, const Participation& after);
  /// The cost of the participation to its client, up to the instant at which it ends: bytes of the transfers in
  /// proportion to their time, energy, and working time.
  Spending spending(const Participation& p) const;
  /// Bytes, down and up, of those phases of the protocol that have ended when the participation ends.
  std::pair<std::int64_t, std::int64_t> protocol_bytes(const Participation& p) const;
  /// Whether the phase with this number (PhaseEnds::number) has ended when the participation ends.
  bool has_ended(const Participation& p, std::size_t number) const;
  /// Energy in joules of a participation that nothing interrupts: power x time of training and of transfers. A proxy:
  /// the powers are assumptions from [population]; idle time, screen and memory are not counted.
  double joules(ClientId client, double fraction = 1) const;
  /// The same for one participation, up to the instant at which it ends.
  double joules(const Participation& p) const;
  /// Time of the download and one forward pass over the client's examples, which costs a third of a training pass. The
  /// answer is one number and takes no time.
  Ticks probe_duration(ClientId client) const;
};

/// The world at the start of the round that `state` has begun, in which devices are charged for the work of `local`.
/// Adds the newest message to the state if it is missing. `federation` and `state` must outlive the world.
World make_world(const Federation& federation, FederationState& state, const LocalSettings& local);

}  // namespace shoal
