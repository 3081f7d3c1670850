#include "strategies/planners/shared/start.hpp"

#include <algorithm>
#include <array>

#include "sim/round/barriers.hpp"

namespace shoal::planners {

std::vector<ClientId> draw_clients(std::int64_t count, std::int64_t draw, const World& world,
                                   const std::set<ClientId>& busy) {
  const std::uint64_t clients = world.task.clients();
  const KeyedPermutation order(random_key(world.seed, "planner/selection"), draw, clients);
  std::vector<ClientId> drawn;
  const auto most = std::min(clients, std::max<std::uint64_t>(100'000, 100 * count));
  std::array<std::uint64_t, 256> points;
  for (std::uint64_t i = 0; i < most && std::ssize(drawn) < count;) {
    const std::uint64_t missing = count - std::ssize(drawn);
    const auto some = std::span(points).first(std::min({points.size(), most - i, std::max<std::uint64_t>(8, missing)}));
    order.fill(i, some);
    i += some.size();
    for (const std::int64_t point : some) {
      const ClientId client{point};
      if (std::ssize(drawn) == count) break;
      if (busy.contains(client) || !world.may_start(client)) continue;
      if (world.task.work(client).examples > 0) drawn.push_back(client);
    }
  }
  return drawn;
}

Dropout::Dropout(const Settings& s)
    : probability_(s.number("dropout", 0, "probability that a started client drops out", between(0, 1))) {}

Participation Dropout::start(ClientId client, State& state, World& world) const {
  return world.start(ParticipationId{state.integer("starts")++}, client, terms());
}

std::int64_t count_able(const Task& task, std::int64_t enough) {
  std::int64_t able = 0;
  for (std::int64_t client = 0; client < task.clients() && able < enough; ++client) {
    able += task.work(ClientId{client}).examples > 0 ? 1 : 0;
  }
  return able;
}

Sampling where_all_are_available(Sampling sampling, const Population& population) {
  if (population.is_always_available()) return sampling;
  return {.kind = Sampling::Kind::none, .expected = sampling.expected};
}

std::int64_t least_reports(std::int64_t minimum, const World& world) {
  return world.steps_without_clients && minimum == 1 ? 0 : minimum;
}

RoundPlan wait_for_all(std::vector<Participation> starts, std::int64_t minimum, const Dropout& dropout, World& world) {
  hold_at_barriers(starts, dropout.terms(), world);
  RoundPlan plan{.time = world.now, .starts = std::move(starts)};
  for (const Participation& p : plan.starts) {
    plan.time = std::max(plan.time, p.finish);
    if (world.contributes(p)) {
      plan.commits.push_back({p.id});
    } else {
      plan.dropouts.push_back(p.id);
    }
  }
  const bool any = !plan.commits.empty() || world.steps_without_clients;
  if (any && std::ssize(plan.commits) >= least_reports(minimum, world)) return plan;
  plan.verdict = Verdict::abandoned;
  for (const Commit& commit : plan.commits) plan.dropouts.push_back(commit.id);
  plan.commits.clear();
  return plan;
}

}  // namespace shoal::planners
