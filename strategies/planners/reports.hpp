#pragma once
// What synchronous planners share: cohorts, when a round ends, and clients that go on when nobody waits for them.

#include <cstring>
#include <limits>

#include "sim/round/events.hpp"
#include "strategies/planners/start.hpp"

namespace shoal::planners {

/// How many clients a round wants, and how many reports it needs.
class Cohort {
 public:
  explicit Cohort(const Settings& s)
      : size_(s.integer("cohort", 10, "clients started in each round", at_least(1))),
        minimum_(s.integer("minimum", 1, "reports below which a round is abandoned", at_least(1))),
        where_(s.where()) {}

  std::int64_t size() const { return size_; }
  std::int64_t minimum() const { return minimum_; }
  /// UserError unless the population has `wanted` clients with examples.
  void check(const Task& task, std::int64_t wanted) const { check_cohort(task, wanted, where_, "cohort"); }

  static void check_cohort(const Task& task, std::int64_t wanted, const std::string& where, const char* key) {
    if (wanted > task.clients()) {
      user_error("{}: cohort of {} clients (the population has {}). Lower '{}'?", where, wanted, task.clients(), key);
    }
    const std::int64_t able = count_able(task, wanted);
    if (able < wanted) {
      user_error("{}: cohort of {} clients (of {} only {} have examples). Lower '{}'?", where, wanted, task.clients(),
                 able, key);
    }
  }

 private:
  std::int64_t size_, minimum_;
  std::string where_;
};

/// A list of plain values in a planner's state; empty at first.
template <class T>
std::vector<T> kept(State& state, std::string_view name) {
  static_assert(std::is_trivially_copyable_v<T>);
  const std::string& bytes = state.blob(name);
  std::vector<T> values(bytes.size() / sizeof(T));
  if (!values.empty()) std::memcpy(values.data(), bytes.data(), bytes.size());
  return values;
}
template <class T>
void keep(State& state, std::string_view name, const std::vector<T>& values) {
  state.blob(name).assign(reinterpret_cast<const char*>(values.data()), values.size() * sizeof(T));
}

/// A client that works on after its round has ended: it cannot be chosen before `finish`.
struct Straggler {
  std::int64_t client, finish;
};
inline std::set<ClientId> still_at_work(State& state, Ticks now) {
  std::set<ClientId> busy;
  for (const Straggler& s : kept<Straggler>(state, "stragglers")) {
    if (Ticks{s.finish} > now) busy.insert(ClientId{s.client});
  }
  return busy;
}

/// When a synchronous round ends, and which reports count.
struct Reporting {
  std::int64_t goal = std::numeric_limits<std::int64_t>::max();  // the round ends with that many reports
  std::int64_t minimum = 1;                                      // with fewer it is abandoned
  Ticks deadline{std::numeric_limits<std::int64_t>::max()};      // nobody is waited for after it; later than now
};

/// Commits the first `goal` reports in order of (time, kind, client, participation) until the deadline. Who would have
/// reported after that is late; whoever goes on after the round's end is kept in the state as a straggler.
inline RoundPlan close_round(std::vector<Participation> starts, const Reporting& reporting, State& state,
                             const World& world) {
  std::vector<Event> ends;
  for (const Participation& p : starts) ends.push_back(end_of(p));
  EventQueue queue(std::move(ends));
  RoundPlan plan{.time = world.now, .starts = std::move(starts)};
  while (!queue.empty() && std::ssize(plan.commits) < reporting.goal) {
    plan.time = std::min(queue.next().time, reporting.deadline);
    if (queue.next().time > reporting.deadline) break;
    const Event end = queue.pop();
    if (end.kind == EventKind::arrival) plan.commits.push_back({end.id});
  }
  std::ranges::sort(plan.commits, {}, &Commit::id);

  std::vector<Straggler> stragglers;
  for (const Straggler& s : kept<Straggler>(state, "stragglers")) {
    if (Ticks{s.finish} > plan.time) stragglers.push_back(s);
  }
  // Where all that could start are still at work, the next round begins when the first of them has finished.
  if (plan.starts.empty() && !stragglers.empty()) {
    plan.time = Ticks{std::ranges::min(stragglers, {}, &Straggler::finish).finish};
  }
  if (std::ssize(plan.commits) < reporting.minimum) plan.verdict = Verdict::abandoned;
  for (Participation& p : plan.starts) {
    if (std::ranges::binary_search(plan.commits, p.id, {}, &Commit::id)) {
      if (plan.verdict == Verdict::abandoned) plan.losses.push_back(p.id);
      continue;
    }
    if (p.outcome == Outcome::completes) p.outcome = Outcome::late;
    if (p.finish > plan.time) stragglers.push_back({value(p.client), value(p.finish)});
    plan.losses.push_back(p.id);
  }
  if (plan.verdict == Verdict::abandoned) plan.commits.clear();
  keep(state, "stragglers", stragglers);
  return plan;
}

/// The first `count` of the clients that draw_clients would give, of those that `accept` takes.
template <class Accept>
std::vector<ClientId> draw_such(std::int64_t count, std::int64_t draw, const World& world,
                                const std::set<ClientId>& busy, const Accept& accept) {
  for (std::int64_t sample = 4 * count;; sample *= 4) {
    std::vector<ClientId> drawn = draw_clients(sample, draw, world, busy);
    const bool are_all = std::ssize(drawn) < sample;
    std::erase_if(drawn, [&](ClientId client) { return !accept(client); });
    if (!are_all && std::ssize(drawn) < count) continue;
    if (std::ssize(drawn) > count) drawn.resize(count);
    return drawn;
  }
}

}  // namespace shoal::planners
