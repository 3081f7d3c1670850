#include "sim/round/planner.hpp"

#include <algorithm>

#include "sim/round/channel.hpp"

namespace shoal {
namespace {

constexpr std::int64_t most_asked = 10'000;      // clients, in a search for one that is available
constexpr std::int64_t most_steps = 10'000'000;  // of their changes, in all: about a second

// How long the device was at work.
Ticks worked_time(const Participation& p, const PhaseEnds& ends) {
  const bool whole = p.outcome == Outcome::completes || p.outcome == Outcome::late;
  return whole ? ends.last() : std::clamp(p.finish - p.start, Ticks{0}, ends.last());
}

}  // namespace

PhaseEnds World::phases(const Device& device, ClientId client, double fraction) const {
  const double flops = local_flops(task.work(client), local, fraction);
  const double download = static_cast<double>(bytes_down) / device.down_bytes_per_second;
  const double trained = download + flops / device.flops_per_second;
  const double upload = trained + static_cast<double>(bytes_up) / device.up_bytes_per_second;
  if (protocol.empty()) return {{ticks(download), ticks(trained), std::max(Ticks{1}, ticks(upload))}};
  std::vector<Ticks> ends;
  double passed = 0;
  const auto add_phases = [&](ProtocolPhase::Place place) {
    for (const ProtocolPhase& phase : protocol) {
      if (phase.place != place) continue;
      passed += phase.seconds + static_cast<double>(phase.bytes_down) / device.down_bytes_per_second +
                static_cast<double>(phase.bytes_up) / device.up_bytes_per_second +
                phase.operations / device.flops_per_second;
      ends.push_back(ticks(passed));
    }
  };
  add_phases(ProtocolPhase::Place::before_download);
  const std::size_t before = ends.size();
  for (const double end : {download, trained, upload}) ends.push_back(ticks(passed + end));
  passed += upload;
  add_phases(ProtocolPhase::Place::after_upload);
  ends.back() = std::max(Ticks{1}, ends.back());
  return {std::move(ends), before};
}

double World::joules(ClientId client, double fraction) const {
  const Device device = population.device(client);
  const PhaseEnds ends = phases(device, client, fraction);
  const double training = seconds(ends.training() - ends.download());
  return device.training_watts * training + device.radio_watts * (seconds(ends.last()) - training);
}

double World::joules(const Participation& p) const {
  const Device device = population.device(p.client, p.id);
  const PhaseEnds ends = phases(device, p.client, p.fraction);
  const Ticks worked = worked_time(p, ends);
  const Ticks training = std::clamp(worked - ends.download(), Ticks{0}, ends.training() - ends.download());
  return device.training_watts * seconds(training) + device.radio_watts * seconds(worked - training);
}

Ticks World::probe_duration(ClientId client) const {
  const Device device = population.device(client);
  const ClientWork work = task.work(client);
  const double flops = work.flops_per_example * static_cast<double>(work.examples) / 3;
  const double download = static_cast<double>(bytes_down) / device.down_bytes_per_second;
  return std::max(Ticks{1}, ticks(download + flops / device.flops_per_second));
}

Participation World::start(ParticipationId id, ClientId client, Terms terms) const {
  Participation p{.id = id, .client = client, .version = version, .round = round, .start = now};
  p.fraction = population.partial().fraction(seed, client, id);
  terms.keeps_result &= p.fraction == 1 || population.partial().keeps();
  const Fate fate =
      fate_of(population, client, id, now, phases(population.device(client, id), client, p.fraction), terms);
  p.finish = fate.finish;
  p.outcome = fate.outcome;
  if (used != nullptr) used->add(client, population.end_of_day(client, now), spending(p));
  return p;
}

void World::restart(const Participation& before, const Participation& now) const {
  if (used == nullptr) return;
  const Spending was = spending(before);
  const Ticks day_end = population.end_of_day(now.client, now.start);
  used->add(now.client, day_end, {-was.bytes, -was.joules, -was.seconds});
  used->add(now.client, day_end, spending(now));
}

bool World::has_ended(const Participation& p, std::size_t number) const {
  if (p.outcome == Outcome::completes || p.outcome == Outcome::late) return true;
  const PhaseEnds ends = phases(population.device(p.client, p.id), p.client, p.fraction);
  const auto lost = static_cast<std::size_t>(p.outcome) - static_cast<std::size_t>(lost_in(0));
  const std::size_t under_way = p.outcome == Outcome::stopped ? ends.under_way(p.finish - p.start) : ends.place(lost);
  return ends.place(number) < under_way;
}

std::pair<std::int64_t, std::int64_t> World::protocol_bytes(const Participation& p) const {
  std::int64_t down = 0, up = 0;
  for (std::size_t i = 0; i < protocol.size(); ++i) {
    if (!has_ended(p, 3 + i)) continue;
    down += protocol[i].bytes_down;
    up += protocol[i].bytes_up;
  }
  return {down, up};
}

Spending World::spending(const Participation& p) const {
  const PhaseEnds ends = phases(population.device(p.client, p.id), p.client, p.fraction);
  const Ticks worked = worked_time(p, ends);
  double bytes = 0;
  for (std::size_t place = 0; place < ends.count(); ++place) {
    const std::size_t number = ends.number(place);
    const std::int64_t moved = number == 0   ? bytes_down
                               : number == 1 ? 0
                               : number == 2 ? bytes_up
                                             : protocol[number - 3].bytes_down + protocol[number - 3].bytes_up;
    const Ticks length = ends.end(place) - ends.begin(place);
    const Ticks done = std::clamp(worked - ends.begin(place), Ticks{}, length);
    const double share = length > Ticks{} ? seconds(done) / seconds(length) : worked >= ends.end(place) ? 1 : 0;
    bytes += share * static_cast<double>(moved);
  }
  return {.bytes = bytes, .joules = joules(p), .seconds = seconds(worked)};
}

Ticks World::allowed_from(ClientId client, Ticks time) const {
  if (used == nullptr) return time;
  const DailyQuota& quota = population.limits().quota();
  Spending next{static_cast<double>(bytes_down + bytes_up), joules(client), seconds(duration(client))};
  for (const ProtocolPhase& phase : protocol) next.bytes += static_cast<double>(phase.bytes_down + phase.bytes_up);
  const auto is_within = [&](Spending spent) {
    spent += next;
    return spent.bytes <= quota.bytes && spent.joules <= quota.joules && spent.seconds <= quota.seconds;
  };
  if (is_within(used->today(client, time))) return time;
  return is_within({}) ? population.end_of_day(client, time) : never;
}

bool World::may_start(ClientId client) const {
  return population.available(client, now) && (used == nullptr || allowed_from(client, now) == now);
}

Ticks next_available(const Task& task, const Population& population, Ticks from, const World* world) {
  const std::int64_t clients = task.clients(), asked = std::min(clients, most_asked);
  const KeyedPermutation order(random_key(population.seed(), "planner/selection"), 0,
                               static_cast<std::uint64_t>(clients));
  Ticks first = never;
  for (std::int64_t i = 0; i < asked && first > from; ++i) {
    const ClientId client{clients == asked ? i : static_cast<std::int64_t>(order(static_cast<std::uint64_t>(i)))};
    if (task.work(client).examples == 0) continue;
    Ticks time = from;
    for (std::int64_t step = 0; step < most_steps / asked && time < first; ++step) {
      const Stretch stretch = population.stretch(client, time);
      const Ticks allowed = stretch.on && world != nullptr ? world->allowed_from(client, time) : time;
      if (stretch.on && allowed < stretch.until) first = std::min(first, allowed);
      time = std::max(stretch.until, allowed);
    }
  }
  if (first == never) {
    user_error(
        "no client is available at {:.0f} s of virtual time or later ({} of {} clients were asked, up to {} changes "
        "each). Loosen [population]: 'availability', 'limits', 'consent'?",
        seconds(from), asked, clients, most_steps / asked);
  }
  return first;
}

namespace {

// Asks with what clients have spent today, which is kept in the planner's state, where there are quotas.
template <class Ask>
auto with_use(State& state, const World& world, Ask&& ask) {
  if (!world.population.limits().quota().any()) return ask(world);
  DailyUse used(state.blob("used today"));
  used.forget(world.now);
  World knowing = world;
  knowing.used = &used;
  auto answer = ask(knowing);
  state.blob("used today") = used.bytes();
  return answer;
}

RoundPlan plan_step(const Planner& planner, State& state, const World& world) {
  RoundPlan plan = planner.next(state, world);
  if (plan.starts.empty() && plan.commits.empty() && world.in_flight.size() == plan.losses.size()) {
    plan.verdict = Verdict::abandoned;
    plan.time = next_available(world.task, world.population, std::max(plan.time, world.now), &world);
  }
  return plan;
}

}  // namespace

std::vector<ClientId> next_probes(const Planner& planner, State& state, const World& world) {
  return with_use(state, world, [&](const World& w) { return planner.probe(state, w); });
}

RoundPlan next_plan(const Planner& planner, State& state, const World& original) {
  return with_use(state, original, [&](const World& world) { return plan_step(planner, state, world); });
}
std::int64_t Message::bytes() const {
  std::int64_t total = 0;
  for (const auto& [name, tensor] : tensors) total += static_cast<std::int64_t>(tensor.nbytes());
  return total;
}

}  // namespace shoal
