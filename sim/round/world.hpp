#pragma once
// What a planner may ask about when it decides a server step, and how it starts participations.

#include <map>
#include <span>
#include <utility>
#include <vector>

#include "sim/clients/daily_use.hpp"
#include "sim/clients/fate.hpp"
#include "sim/participation.hpp"
#include "sim/round/protocol.hpp"
#include "sim/task/task.hpp"

namespace shoal {

struct Federation;
struct FederationState;

constexpr std::size_t upload_number = 2;  // of the upload among a participation's phases: PhaseEnds::number

/// What came back about a committed participation; the same on every rank.
struct Feedback {
  ParticipationId id{};
  ClientId client{};
  double loss = 0;  // mean over its local steps
  std::int64_t steps = 0;
  bool accepted = true;
};

/// The mean loss of a probed client's training examples at the newest version.
struct Probe {
  ClientId client{};
  double loss = 0;
};

/// Everything that is known when a server step is planned. A planner may copy it and change the copy, such as `now`;
/// the daily quotas are shared by all copies.
struct World {
  const Task& task;
  const Population& population;
  LocalSettings local{};  // of this round: the work that devices are charged for
  std::uint64_t seed = 1;
  std::int64_t round = 1;  // 1-based
  Ticks now{};
  Version version{};            // newest
  std::int64_t bytes_down = 0;  // of the newest message
  std::int64_t bytes_up = 0;    // expected, per client
  const std::map<ParticipationId, Participation>& in_flight;
  std::span<const Feedback> feedback{};   // of the last round's commits
  std::vector<Probe> probes{};            // what Planner::probe asked for, in its order
  std::vector<ProtocolPhase> protocol{};  // Aggregator::phases: those before the download first
  DailyUse* used = nullptr;               // today, where there are daily quotas; only `start` and `restart` change it

  /// When download, training and upload end if nothing interrupts them, counted from the start:
  /// bytes_down / download bandwidth, + operations / speed, + bytes_up / upload bandwidth (bytes, seconds), at least 1
  /// microsecond in all, with the protocol's phases before and after. `fraction` of the local work is done.
  PhaseEnds phases(const Device& device, ClientId client, double fraction) const;
  /// The same at the median of the client's device: what can be known before a participation.
  PhaseEnds phases(ClientId client, double fraction = 1) const {
    return phases(population.device(client), client, fraction);
  }
  Ticks duration(ClientId client, double fraction = 1) const { return phases(client, fraction).last(); }
  /// Whether the client is available now and has enough left of its daily quotas for what it is predicted to spend.
  bool may_start(ClientId client) const;
  /// The first instant from `time` on at which its quotas allow a participation; `never` where none is within them.
  Ticks allowed_from(ClientId client, Ticks time) const;
  /// Participation `id` of `client` from the newest version, starting now, with its share of work and its fate.
  /// Counts for its daily quotas.
  Participation start(ParticipationId id, ClientId client, Terms terms = {});
  /// A planner has changed a participation that it started: `after` counts for the quotas instead of `before`.
  void restart(const Participation& before, const Participation& after);
  /// What the participation takes from its client, up to where it drops out: bytes of transfers in proportion to their
  /// time, energy, and time at work.
  Spending spending(const Participation& p) const;
  /// Bytes of the protocol's phases that have ended when the participation does, down and up.
  std::pair<std::int64_t, std::int64_t> protocol_bytes(const Participation& p) const;
  /// Whether the phase of this number (PhaseEnds::number) has ended when the participation does.
  bool has_ended(const Participation& p, std::size_t number) const;
  /// Energy of a participation that nothing interrupts, joules: power x time, of training and of transfers. A proxy:
  /// the powers are assumptions of [population], and idling, screen and memory are not in it.
  double joules(ClientId client, double fraction = 1) const;
  /// The same of one participation, up to where it dropped out.
  double joules(const Participation& p) const;
  /// Download and one forward pass over the client's examples, a third of what training on them costs; its answer, one
  /// number, takes no time.
  Ticks probe_duration(ClientId client) const;
};

/// The world before the round that `state` has begun, in which devices are charged for the work of `local`. Makes the
/// newest message if it is not there yet. Lives no longer than both arguments.
World make_world(const Federation& federation, FederationState& state, const LocalSettings& local);

}  // namespace shoal
