#include "sim/round/planner.hpp"

#include <algorithm>

#include "sim/round/channel.hpp"

namespace shoal {
namespace {

constexpr std::int64_t most_asked = 10'000;      // clients, in a search for one that is available
constexpr std::int64_t most_steps = 10'000'000;  // of their changes, in all: about a second

}  // namespace

PhaseEnds World::phases(const Device& device, ClientId client, double fraction) const {
  const double flops = local_flops(task.work(client), local, fraction);
  const double download = static_cast<double>(bytes_down) / device.down_bytes_per_second;
  const double trained = download + flops / device.flops_per_second;
  const double upload = trained + static_cast<double>(bytes_up) / device.up_bytes_per_second;
  return {ticks(download), ticks(trained), std::max(Ticks{1}, ticks(upload))};
}

double World::joules(ClientId client, double fraction) const {
  const Device device = population.device(client);
  const PhaseEnds ends = phases(device, client, fraction);
  const double training = seconds(ends[1] - ends[0]);
  return device.training_watts * training + device.radio_watts * (seconds(ends.back()) - training);
}

double World::joules(const Participation& p) const {
  const Device device = population.device(p.client, p.id);
  const PhaseEnds ends = phases(device, p.client, p.fraction);
  const bool whole = p.outcome == Outcome::completes || p.outcome == Outcome::late;
  const Ticks worked = whole ? ends.back() : std::clamp(p.finish - p.start, Ticks{0}, ends.back());
  const Ticks training = std::clamp(worked - ends[0], Ticks{0}, ends[1] - ends[0]);
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
  return p;
}

Ticks next_available(const Task& task, const Population& population, Ticks from) {
  const std::int64_t clients = task.clients(), asked = std::min(clients, most_asked);
  const KeyedPermutation order(random_key(population.seed(), Purpose::selection), 0,
                               static_cast<std::uint64_t>(clients));
  Ticks first = never;
  for (std::int64_t i = 0; i < asked && first > from; ++i) {
    const ClientId client{clients == asked ? i : static_cast<std::int64_t>(order(static_cast<std::uint64_t>(i)))};
    if (task.work(client).examples == 0) continue;
    Ticks time = from;
    for (std::int64_t step = 0; step < most_steps / asked && time < first; ++step) {
      const Stretch stretch = population.stretch(client, time);
      if (stretch.on) first = time;
      time = stretch.until;
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

RoundPlan next_plan(const Planner& planner, State& state, const World& world) {
  RoundPlan plan = planner.next(state, world);
  if (plan.starts.empty() && plan.commits.empty() && world.in_flight.size() == plan.losses.size()) {
    plan.verdict = Verdict::abandoned;
    plan.time = next_available(world.task, world.population, std::max(plan.time, world.now));
  }
  return plan;
}

std::int64_t Message::bytes() const {
  std::int64_t total = 0;
  for (const auto& [name, tensor] : tensors) total += static_cast<std::int64_t>(tensor.nbytes());
  return total;
}

}  // namespace shoal
