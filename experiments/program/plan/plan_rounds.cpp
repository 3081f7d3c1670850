#include "experiments/program/plan/plan_rounds.hpp"

#include <ctime>
#include <set>

#include "sim/round/plan_round.hpp"
#include "sim/round/probe.hpp"

namespace shoal {
namespace {

std::int64_t versions_in_use(const FederationState& state) {
  std::set<Version> versions{state.version};
  for (const auto& [id, participation] : state.in_flight) versions.insert(participation.version);
  return std::ssize(versions);
}

// Nothing is trained here, so every loss is 0.
std::vector<Probe> untrained_losses(const std::vector<ClientId>& clients) {
  std::vector<Probe> probes;
  probes.reserve(clients.size());
  for (const ClientId client : clients) probes.push_back({.client = client});
  return probes;
}

void count(const PlannedRound& round, const FederationState& state, RoundsPlan& sums) {
  const RoundPlan& plan = round.plan;
  const World& world = round.world;
  ++sums.planned;
  sums.started += std::ssize(plan.starts);
  sums.committed += std::ssize(plan.commits);
  sums.dropouts += std::ssize(plan.dropouts);
  sums.abandoned += plan.commits.empty() && !world.steps_without_clients ? 1 : 0;
  sums.bytes_down += downloaded_bytes(world, plan.starts);
  sums.time = plan.time;
  sums.live_versions = std::max(sums.live_versions, versions_in_use(state));
  const bool keep = sums.first.empty();
  for (const Participation& p : round.committed) {
    sums.bytes_up += world.bytes_sent(p.client);
    sums.flops += world.operations(p.client, p.fraction);
    if (!keep) continue;
    sums.first.push_back(p);
    sums.first.back().version = Version{};
  }
}

}  // namespace

double RoundsPlan::to_all_rounds(double sum) const { return planned == rounds ? sum : sum * rounds / planned; }

double processor_seconds() { return 1.0 * std::clock() / CLOCKS_PER_SEC; }

RoundsPlan plan_rounds(const Federation& parts, std::int64_t rounds, double seconds) {
  FederationState state(parts, 1, 0);
  RoundsPlan sums{.rounds = rounds};
  sums.message_bytes = download_bytes(parts, newest_message(parts, state));
  sums.update_bytes = state.client_side.expected_bytes_up();

  const double begin = processor_seconds();
  while (sums.planned < rounds && (sums.planned == 0 || processor_seconds() - begin < seconds)) {
    const PlannedRound round = plan_round(parts, state, untrained_losses);
    count(round, state, sums);
    end_participations(round.plan, state);
    // Every update counts as accepted.
    if (round.plan.verdict == Verdict::commit && !round.plan.commits.empty()) {
      state.version = Version{value(state.version) + 1};
    }
  }
  sums.seconds = processor_seconds() - begin;
  return sums;
}

}  // namespace shoal
