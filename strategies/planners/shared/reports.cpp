#include "strategies/planners/shared/reports.hpp"

#include "sim/round/end_queue.hpp"

namespace shoal::planners {
namespace {

// A client that works on after its round has ended, until `finish`.
struct Straggler {
  std::int64_t client, finish;
};

}  // namespace

Cohort::Cohort(const Settings& s)
    : size_(s.integer("cohort", 10, "clients started in each round", at_least(1))),
      minimum_(s.integer("minimum", 1, "reports below which a round is abandoned", at_least(1))),
      where_(s.where()) {}

void Cohort::check_cohort(const Task& task, std::int64_t wanted, const std::string& where, const char* key) {
  if (wanted > task.clients()) {
    user_error("{}: cohort of {} clients (the population has {}). Lower '{}'.", where, wanted, task.clients(), key);
  }
  const std::int64_t able = count_able(task, wanted);
  if (able < wanted) {
    user_error("{}: cohort of {} clients (of {} only {} have examples). Lower '{}'.", where, wanted, task.clients(),
               able, key);
  }
}

std::set<ClientId> still_at_work(State& state, Ticks now) {
  std::set<ClientId> busy;
  for (const Straggler& s : kept<Straggler>(state, "stragglers")) {
    if (Ticks{s.finish} > now) busy.insert(ClientId{s.client});
  }
  return busy;
}

RoundPlan commit_first(std::vector<Participation> starts, const Reporting& reporting, State& state,
                       const World& world) {
  std::vector<ParticipationEnd> ends;
  for (const Participation& p : starts) ends.push_back(end_of(p, world.contributes(p)));
  EndQueue queue(std::move(ends));
  RoundPlan plan{.time = world.now, .starts = std::move(starts)};
  while (!queue.empty() && std::ssize(plan.commits) < reporting.goal) {
    plan.time = std::min(queue.next().time, reporting.deadline);
    if (queue.next().time > reporting.deadline) break;
    const ParticipationEnd end = queue.pop();
    if (end.kind == EndKind::arrival) plan.commits.push_back({end.id});
  }
  std::ranges::sort(plan.commits, {}, &Commit::id);

  std::vector<Straggler> stragglers;
  for (const Straggler& s : kept<Straggler>(state, "stragglers")) {
    if (Ticks{s.finish} > plan.time) stragglers.push_back(s);
  }
  // If all clients that could start are still at work, the next round begins when the first of them has finished.
  if (plan.starts.empty() && !stragglers.empty()) {
    plan.time = Ticks{std::ranges::min(stragglers, {}, &Straggler::finish).finish};
  }
  if (std::ssize(plan.commits) < least_reports(reporting.minimum, world)) plan.verdict = Verdict::abandoned;
  for (Participation& p : plan.starts) {
    if (std::ranges::binary_search(plan.commits, p.id, {}, &Commit::id)) {
      if (plan.verdict == Verdict::abandoned) plan.dropouts.push_back(p.id);
      continue;
    }
    if (world.contributes(p)) p.outcome = Outcome::late;
    if (p.finish > plan.time) stragglers.push_back({value(p.client), value(p.finish)});
    plan.dropouts.push_back(p.id);
  }
  if (plan.verdict == Verdict::abandoned) plan.commits.clear();
  keep(state, "stragglers", stragglers);
  return plan;
}

}  // namespace shoal::planners
