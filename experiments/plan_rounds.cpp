#include "experiments/plan_rounds.hpp"

#include <ctime>
#include <set>

#include "sim/round/probe.hpp"

namespace shoal {
namespace {

std::int64_t versions_in_use(const FederationState& state) {
  std::set<Version> versions{state.version};
  for (const auto& [id, participation] : state.in_flight) versions.insert(participation.version);
  return std::ssize(versions);
}

// What run_round does to planner, clock and flights; every update counts as accepted.
void advance(const RoundPlan& plan, FederationState& state) {
  state.now = plan.time;
  for (const Commit& commit : plan.commits) state.in_flight.erase(commit.id);
  for (const ParticipationId id : plan.losses) state.in_flight.erase(id);
  if (plan.verdict == Verdict::commit && !plan.commits.empty()) state.version = Version{value(state.version) + 1};
}

void count(const RoundPlan& plan, const FederationState& state, const World& world, RoundsPlan& sums) {
  ++sums.planned;
  sums.started += std::ssize(plan.starts);
  sums.committed += std::ssize(plan.commits);
  sums.lost += std::ssize(plan.losses);
  sums.abandoned += plan.commits.empty() ? 1 : 0;
  sums.bytes_down += (std::ssize(plan.starts) + only_probed(world.probes, plan.starts)) * world.bytes_down;
  sums.bytes_up += std::ssize(plan.commits) * world.bytes_up;
  sums.time = plan.time;
  sums.live_versions = std::max(sums.live_versions, versions_in_use(state));
  const bool keep = sums.first.empty();
  for (const Commit& commit : plan.commits) {
    const Participation& p = state.in_flight.at(commit.id);
    sums.flops += local_flops(world.task.work(p.client), world.local, p.fraction);
    if (!keep) continue;
    sums.first.push_back(p);
    sums.first.back().version = Version{};
  }
}

}  // namespace

double RoundsPlan::to_all_rounds(double sum) const {
  return planned == rounds ? sum : sum * static_cast<double>(rounds) / static_cast<double>(planned);
}

double processor_seconds() { return static_cast<double>(std::clock()) / CLOCKS_PER_SEC; }

RoundsPlan plan_rounds(const Federation& parts, std::int64_t rounds, double seconds) {
  FederationState state(parts, 1, 0);
  RoundsPlan sums{.rounds = rounds};
  sums.message_bytes = newest_message(parts, state).bytes();
  sums.update_bytes = expected_bytes(parts.channels(), parts);

  const double begin = processor_seconds();
  while (sums.planned < rounds && (sums.planned == 0 || processor_seconds() - begin < seconds)) {
    const LocalSettings local = parts.strategy->work(parts.local->at(++state.round));
    World world{*parts.task,       *parts.population, local,         parts.seed,
                state.round,       state.now,         state.version, sums.message_bytes,
                sums.update_bytes, state.in_flight,   state.feedback};
    const std::vector<ProtocolPhase> protocol = parts.aggregator->phases();
    world.protocol = protocol;
    std::vector<Probe> probes;
    for (const ClientId client : next_probes(*parts.planner, state.planner, world))
      probes.push_back({.client = client});
    world.probes = probes;
    const RoundPlan plan = next_plan(*parts.planner, state.planner, world);
    for (const Participation& start : plan.starts) state.in_flight.emplace(start.id, start);
    count(plan, state, world, sums);
    advance(plan, state);
  }
  sums.seconds = processor_seconds() - begin;
  return sums;
}

}  // namespace shoal
