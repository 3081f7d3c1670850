#include "sim/round/world.hpp"

#include <algorithm>

#include "sim/round/federation.hpp"
#include "sim/round/groups.hpp"
#include "sim/round/prelude.hpp"

namespace shoal {
namespace {

constexpr std::size_t protocol_number = own_phases;  // number of the protocol's first phase

// The time for which the device worked.
Ticks worked_time(const Participation& p, const PhaseEnds& ends) {
  const bool whole = p.outcome == Outcome::completes || p.outcome == Outcome::late;
  return whole ? ends.last() : std::clamp(p.finish - p.start, Ticks{0}, ends.last());
}

double length(const ProtocolPhase& phase, const Device& device, const ClientWork& work) {
  const double operations = phase.operations + phase.passes * work.examples * work.flops_per_example;
  return phase.seconds + phase.bytes_down / device.down_bytes_per_second + phase.bytes_up / device.up_bytes_per_second +
         operations / device.flops_per_second;
}

// The share of the phase from `begin` to `end` that is done after `worked` of working time. A phase that takes no time
// is done as soon as it begins.
double done_share(Ticks begin, Ticks end, Ticks worked) {
  if (end > begin) return seconds(std::clamp(worked - begin, Ticks{}, end - begin)) / seconds(end - begin);
  return worked >= end ? 1 : 0;
}

// Bytes of the client's phase with this number, down and up together.
std::int64_t bytes_of_phase(std::size_t number, ClientId client, const World& world) {
  if (number == download_number) return world.bytes_down(client);
  if (number == upload_number) return world.bytes_sent(client);
  if (number < protocol_number) return 0;
  const ProtocolPhase& phase = world.protocol[number - protocol_number];
  return phase.bytes_down + phase.bytes_up;
}

}  // namespace

double World::operations(ClientId client, double fraction) const {
  const ClientWork work = task.work(client);
  return strategy == nullptr ? local_flops(work, local, fraction) : strategy->operations(work, local, fraction);
}

PhaseEnds World::phases(const Device& device, ClientId client, double fraction) const {
  const double flops = operations(client, fraction);
  const double download = bytes_down(client) / device.down_bytes_per_second;
  const double trained = download + flops / device.flops_per_second;
  const double upload = trained + bytes_sent(client) / device.up_bytes_per_second;
  if (protocol.empty()) return {{ticks(download), ticks(trained), std::max(Ticks{1}, ticks(upload))}};
  std::vector<Ticks> ends;
  double passed = 0;
  const auto add_phases = [&](ProtocolPhase::Place place) {
    for (std::size_t i = 0; i < protocol.size(); ++i) {
      if (protocol[i].place != place) continue;
      if (!barriers.empty()) passed = std::max(passed, seconds(barriers[i]));
      passed += length(protocol[i], device, task.work(client));
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

std::int64_t World::bytes_in_group(ClientId client) const { return groups->bytes(groups->of(client)); }

std::int64_t World::bytes_up_in_group(ClientId client) const { return groups->bytes_up(groups->of(client)); }

std::int64_t World::bytes_of_rows(ClientId client) const {
  return row_bytes * std::ssize(strategy->sends(*sender, client));
}

std::int64_t World::bytes_since_held(ClientId client) const {
  const double held = score(Board::held, client, -1);
  const auto found = held < 0 ? bytes_since.end() : bytes_since.find(Version{static_cast<std::int64_t>(held)});
  return found == bytes_since.end() ? message_bytes : std::min(found->second, message_bytes);
}

bool World::may_start(ClientId client) const {
  if (!population.available(client, now) || score(Board::excluded, client) > 0) return false;
  if (busy != nullptr) {
    const auto until = busy->find(client);
    if (until != busy->end() && until->second > now) return false;
  }
  return used == nullptr || allowed_from(client, now) == now;
}

Ticks World::allowed_from(ClientId client, Ticks time) const {
  if (used == nullptr) return time;
  const DailyQuota& quota = population.limits().quota();
  Spending next{.joules = joules(client), .seconds = seconds(duration(client))};
  next.bytes = bytes_down(client) + bytes_sent(client);
  for (const ProtocolPhase& phase : protocol) next.bytes += phase.bytes_down + phase.bytes_up;
  const auto is_within = [&](Spending spent) {
    spent += next;
    return spent.bytes <= quota.bytes && spent.joules <= quota.joules && spent.seconds <= quota.seconds;
  };
  if (is_within(used->today(client, time))) return time;
  return is_within({}) ? population.end_of_day(client, time) : never;
}

Participation World::fated(ParticipationId id, ClientId client, Terms terms) const {
  Participation p{.id = id, .client = client, .version = version, .round = round, .start = now};
  p.variant = task.variant(client);
  if (groups != nullptr) p.group = groups->of(client);
  p.fraction = population.partial().fraction(seed, client, id);
  terms.keeps_result &= p.fraction == 1 || population.partial().keeps();
  const Fate fate =
      fate_of(population, client, id, now, phases(population.device(client, id), client, p.fraction), terms);
  p.finish = fate.finish;
  p.outcome = fate.outcome;
  return p;
}

Participation World::start(ParticipationId id, ClientId client, Terms terms) {
  const Participation p = fated(id, client, terms);
  if (used != nullptr) used->add(client, population.end_of_day(client, now), spending(p));
  return p;
}

void World::restart(const Participation& before, const Participation& after) {
  if (used == nullptr) return;
  const Spending was = spending(before);
  const Ticks day_end = population.end_of_day(after.client, after.start);
  used->add(after.client, day_end, {-was.bytes, -was.joules, -was.seconds});
  used->add(after.client, day_end, spending(after));
}

Spending World::spending(const Participation& p) const {
  const PhaseEnds ends = phases(population.device(p.client, p.id), p.client, p.fraction);
  const Ticks worked = worked_time(p, ends);
  double bytes = 0;
  for (std::size_t place = 0; place < ends.count(); ++place) {
    bytes +=
        done_share(ends.begin(place), ends.end(place), worked) * bytes_of_phase(ends.number(place), p.client, *this);
  }
  return {.bytes = bytes, .joules = joules(p), .seconds = seconds(worked)};
}

std::pair<std::int64_t, std::int64_t> World::protocol_bytes(const Participation& p) const {
  std::int64_t down = 0, up = 0;
  for (std::size_t i = 0; i < protocol.size(); ++i) {
    if (!has_ended(p, protocol_number + i)) continue;
    down += protocol[i].bytes_down;
    up += protocol[i].bytes_up;
  }
  return {down, up};
}

bool World::has_ended(const Participation& p, std::size_t number) const {
  if (p.outcome == Outcome::completes || p.outcome == Outcome::late) return true;
  const PhaseEnds ends = phases(population.device(p.client, p.id), p.client, p.fraction);
  if (p.outcome == Outcome::stopped) return ends.place(number) < ends.under_way(p.finish - p.start);
  const int phase = static_cast<int>(p.outcome) - static_cast<int>(dropout_in(0));
  return ends.place(number) < ends.place(phase);
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
  const double flops = work.flops_per_example * work.examples / 3;
  const double download = bytes_down(client) / device.down_bytes_per_second;
  return std::max(Ticks{1}, ticks(download + flops / device.flops_per_second));
}

World make_world(const Federation& federation, FederationState& state, const LocalSettings& local) {
  const Message& message = newest_message(federation, state);
  std::vector<ProtocolPhase> protocol =
      federation.aggregator->phases(state.client_side.wires(), state.client_side.expected_cohort());
  add_prelude(protocol, federation, state.client_side.expected_cohort());
  return {.task = *federation.task,
          .population = *federation.population,
          .local = local,
          .seed = federation.seed,
          .round = state.round,
          .now = state.now,
          .version = state.version,
          .message_bytes = download_bytes(federation, message),
          .bytes_since = message.bytes_since,
          .bytes_up = state.client_side.expected_bytes_up(),
          .in_flight = state.in_flight,
          .feedback = state.feedback,
          .protocol = std::move(protocol),
          .board = &state.board,
          .steps_without_clients = federation.steps_without_clients(),
          .strategy = federation.strategy.get(),
          .groups = federation.groups() > 1 ? std::make_shared<Groups>(federation, state) : nullptr,
          .sender = federation.strategy->sends_others() ? &state.strategy() : nullptr,
          .row_bytes = federation.strategy->sends_others() ? kept_row_bytes(federation) : 0};
}

}  // namespace shoal
