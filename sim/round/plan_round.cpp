#include "sim/round/plan_round.hpp"

#include <algorithm>
#include <iterator>
#include <optional>
#include <set>

#include "sim/round/next_available.hpp"
#include "sim/round/plan_sums.hpp"

namespace shoal {
namespace {

bool leaves_none_in_flight(const RoundPlan& plan, const World& world) {
  return plan.starts.empty() && plan.commits.empty() && world.in_flight.size() == plan.dropouts.size();
}

std::vector<Participation> committed_participations(const RoundPlan& plan, const FederationState& state) {
  std::vector<Participation> committed;
  for (const Commit& commit : plan.commits) committed.push_back(state.in_flight.at(commit.id));
  return committed;
}

std::vector<Participation> dropouts_of(const RoundPlan& plan, const FederationState& state, Ticks planned_at) {
  std::vector<Participation> dropouts;
  for (const ParticipationId id : plan.dropouts) {
    Participation& p = dropouts.emplace_back(state.in_flight.at(id));
    if (!std::ranges::binary_search(plan.stops, id)) continue;
    p.outcome = Outcome::stopped;
    p.finish = planned_at;
  }
  return dropouts;
}

// The buckets of the members of a cohort: a random order, dealt in turns.
std::vector<std::int64_t> draw_buckets(std::int64_t members, std::int64_t buckets, RandomKey key) {
  const KeyedPermutation order(key, 0, members);
  std::vector<std::int64_t> bucket;
  for (std::int64_t i = 0; i < members; ++i) bucket.push_back(static_cast<std::int64_t>(order(i)) % buckets);
  return bucket;
}

// Multiplies the commits' weights by the clients' scores, if there are such.
void weigh_by_score(std::vector<Commit>& commits, const FederationState& state) {
  if (!state.board.has(Board::weight)) return;
  for (Commit& commit : commits) {
    commit.weight *= state.board.score(Board::weight, state.in_flight.at(commit.id).client, 1);
  }
}

}  // namespace

PlannedRound plan_round(const Federation& federation, FederationState& state, const ProbeLosses& losses) {
  const LocalSettings local = federation.local->at(++state.round);
  World world = make_world(federation, state, federation.strategy->work(local));
  RoundPlan plan = ask_planner(*federation.planner, state.planner(), world, losses);
  world.feedback = {};  // it refers to the state's feedback, which this step will replace
  for (const Participation& start : plan.starts) {
    state.in_flight.emplace(start.id, start);
    newest_message(federation, state, start.group);
  }
  weigh_by_score(plan.commits, state);
  state.now = plan.time;
  std::vector<Participation> committed = committed_participations(plan, state);
  std::vector<Participation> dropouts = dropouts_of(plan, state, world.now);
  PlannedRound round{.local = local,
                     .world = std::move(world),
                     .plan = std::move(plan),
                     .committed = std::move(committed),
                     .dropouts = std::move(dropouts)};
  round.session = plan_session(round, federation, state.client_side);
  if (round.plan.verdict == Verdict::commit) {
    std::string reason = federation.aggregator->refuses(round.session);
    if (!reason.empty()) abandon(round, std::move(reason));
  }
  return round;
}

AggregationPlan plan_session(const PlannedRound& round, const Federation& federation, const ClientSide& side) {
  AggregationPlan session = plan_sums(side.wires(), round.plan, round.committed, *federation.task);
  session.cohort = round.committed;
  session.cohort.insert(session.cohort.end(), round.dropouts.begin(), round.dropouts.end());
  std::ranges::sort(session.cohort, {}, &Participation::id);
  for (const Participation& p : round.committed) {
    const auto place = std::ranges::lower_bound(session.cohort, p.id, {}, &Participation::id);
    session.contributing.push_back(place - session.cohort.begin());
  }
  std::ranges::sort(session.contributing);
  session.round = round.world.round;
  session.groups = federation.groups();
  for (std::int32_t g = 0; federation.task->variants() > 1 && g < session.groups; ++g) {
    session.group_wires.push_back(side.wires(g));
  }
  session.key = round_key(federation, federation.section_of(*federation.aggregator), session.round);
  session.buckets = federation.aggregator->buckets(side.expected_cohort());
  if (session.buckets > 1) session.bucket = draw_buckets(std::ssize(session.cohort), session.buckets, session.key);
  return session;
}

void abandon(PlannedRound& round, std::string reason) {
  round.plan.verdict = Verdict::abandoned;
  round.reason = std::move(reason);
  for (const Commit& commit : round.plan.commits) round.plan.dropouts.push_back(commit.id);
  std::ranges::move(round.committed, std::back_inserter(round.dropouts));
  round.plan.commits.clear();
  round.committed.clear();
}

RoundPlan ask_planner(const Planner& planner, State& state, World& world, const ProbeLosses& losses) {
  std::optional<DailyUse> used;
  if (world.population.limits().quota().any()) {
    used.emplace(state.blob("used today"));
    used->forget(world.now);
    world.used = &*used;
  }
  world.probes = losses(planner.probe(state, world));
  RoundPlan plan = planner.next(state, world);
  if (leaves_none_in_flight(plan, world)) {
    if (!world.steps_without_clients) plan.verdict = Verdict::abandoned;
    plan.time = next_available(world.task, world.population, std::max(plan.time, world.now), &world);
  }
  if (used) state.blob("used today") = used->bytes();
  world.used = nullptr;
  return plan;
}

void end_participations(const RoundPlan& plan, FederationState& state) {
  const auto end = [&](ParticipationId id) {
    state.in_flight.erase(id);
    state.ahead.forget(id);
  };
  for (const Commit& commit : plan.commits) end(commit.id);
  for (const ParticipationId id : plan.dropouts) end(id);
  std::set<MessageId> needed;
  for (const auto& [id, participation] : state.in_flight) needed.emplace(participation.version, participation.group);
  std::erase_if(state.messages, [&](const auto& entry) { return !needed.contains(entry.first); });
}

}  // namespace shoal
