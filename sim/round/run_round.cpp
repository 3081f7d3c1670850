// One round. Read this after sim/README.md: it is the whole protocol, top to bottom.

#include <ATen/core/grad_mode.h>
#include <ATen/ops/isfinite.h>

#include <bit>
#include <cmath>

#include "sim/round/federation.hpp"
#include "sim/round/probe.hpp"
#include "sim/round/train_block.hpp"

namespace shoal {
namespace {

// Forgets versions that nobody needs, and copies the newest if somebody in flight still needs it: the strategy may
// change the state's tensors in place, and that message shares them.
void protect_versions(FederationState& state) {
  std::map<Version, bool> needed;
  for (const auto& [id, participation] : state.in_flight) needed[participation.version] = true;
  std::erase_if(state.messages, [&](const auto& entry) { return !needed.contains(entry.first); });
  const auto newest = state.messages.find(state.version);
  if (newest == state.messages.end()) return;
  for (auto& [name, tensor] : newest->second.tensors) tensor = tensor.clone();
}

// What only who trained a commit knows, besides its feedback.
struct Trained {
  std::int64_t bytes_up = 0, examples = 0, rejected = 0;
};

// Losses, steps and acceptance of every commit on every rank; returns what else there is to record. A loss travels as
// the bits of its double: all ranks but one add zero, so the sum is exact.
std::vector<Trained> share_feedback(std::vector<Feedback>& feedback, const std::vector<BlockOutcome>& outcomes,
                                    Communicator& comm) {
  std::vector<std::int64_t> wire(6 * feedback.size(), 0);
  for (const BlockOutcome& outcome : outcomes) {
    for (std::size_t k = 0; k < outcome.positions.size(); ++k) {
      std::int64_t* entry = &wire[6 * outcome.positions[k]];
      entry[0] = std::bit_cast<std::int64_t>(outcome.loss[k]);
      entry[1] = outcome.steps[k];
      entry[2] = outcome.accepted[k] ? 1 : 0;
      entry[3] = outcome.bytes[k];
      entry[4] = outcome.examples[k];
      entry[5] = outcome.rejected[k];
    }
  }
  comm.sum(wire);
  std::vector<Trained> trained;
  for (std::size_t i = 0; i < feedback.size(); ++i) {
    const std::int64_t* entry = &wire[6 * i];
    feedback[i].loss = std::bit_cast<double>(entry[0]);
    feedback[i].steps = entry[1];
    feedback[i].accepted = entry[2] != 0;
    trained.push_back({.bytes_up = entry[3], .examples = entry[4], .rejected = entry[5]});
  }
  return trained;
}

// Threads of all ranks: who is trained ahead must be the same everywhere, whatever each was started with.
int count_lanes(FederationState& state, Communicator& comm, const Trainers& trainers) {
  if (state.ahead.lanes == 0) {
    std::vector<std::int64_t> lanes(1, trainers.size());
    comm.sum(lanes);
    state.ahead.lanes = static_cast<int>(lanes[0]);
  }
  return state.ahead.lanes;
}

// A participation that was lost, and what it cost: who is late, or in time for a round that is abandoned, has done and
// sent everything.
ClientRow lost_row(ParticipationId id, const RoundPlan& plan, const FederationState& state, const World& world) {
  ClientRow row{.participation = state.in_flight.at(id), .bytes_down = world.bytes_down};
  Participation& p = row.participation;
  if (std::ranges::binary_search(plan.stops, id)) p.outcome = Outcome::stopped, p.finish = world.now;
  // Who is lost in a phase after the upload, too.
  if (world.has_ended(p, 2)) {
    row.steps = world.local.local_steps(world.task.work(p.client).examples, p.fraction);
    row.bytes_up = world.bytes_up;
  }
  return row;
}

RoundRecord describe(const RoundPlan& plan, const FederationState& state, const std::vector<Participation>& committed,
                     const World& world, const std::vector<Trained>& trained) {
  RoundRecord record{.round = state.round, .time = plan.time, .verdict = plan.verdict};
  record.started = std::ssize(plan.starts);
  record.lost = std::ssize(plan.losses);
  record.bytes_down = (record.started + only_probed(world.probes, plan.starts)) * world.bytes_down;
  double loss = 0;
  for (std::size_t i = 0; i < committed.size(); ++i) {
    const Feedback& back = state.feedback[i];
    record.clients.push_back({.participation = committed[i],
                              .committed = true,
                              .accepted = back.accepted,
                              .weight = plan.commits[i].weight,
                              .loss = back.loss,
                              .steps = back.steps,
                              .examples = trained[i].examples,
                              .rejected_examples = trained[i].rejected,
                              .bytes_down = world.bytes_down,
                              .bytes_up = trained[i].bytes_up});
    record.bytes_up += trained[i].bytes_up;
    record.rejected += back.accepted ? 0 : 1;
    record.examples += trained[i].examples;
    loss += back.accepted ? back.loss : 0;
  }
  record.committed = std::ssize(committed) - record.rejected;
  record.train_loss = loss / static_cast<double>(record.committed);
  for (const ParticipationId id : plan.losses) {
    record.clients.push_back(lost_row(id, plan, state, world));
    record.bytes_up += record.clients.back().bytes_up;
  }
  for (ClientRow& row : record.clients) {
    const auto [down, up] = world.protocol_bytes(row.participation);
    row.bytes_down += down, record.bytes_down += down;
    row.bytes_up += up, record.bytes_up += up;
    row.joules = world.joules(row.participation);
    row.tier = world.population.device(row.participation.client).tier;
  }
  return record;
}

}  // namespace

RoundRecord run_round(const Federation& federation, FederationState& state, Communicator& comm, Trainers& trainers) {
  const at::NoGradGuard no_gradients;
  const Task& task = *federation.task;
  const LocalSettings local = federation.local->at(++state.round);
  const LocalSettings charged = federation.strategy->work(local);
  const std::vector<Channel> channels = federation.channels();

  // Plan: the same on every rank, without a message unless losses are probed.
  const std::int64_t bytes_down = newest_message(federation, state).bytes();
  const std::int64_t bytes_up = expected_bytes(channels, federation);
  World world{task,          *federation.population, charged,    federation.seed, state.round,
              state.now,     state.version,          bytes_down, bytes_up,        state.in_flight,
              state.feedback};
  const std::vector<ProtocolPhase> protocol = federation.aggregator->phases();
  world.protocol = protocol;
  const std::vector<Probe> probes =
      probe_losses(next_probes(*federation.planner, state.planner, world), federation, state, comm, trainers);
  world.probes = probes;
  const RoundPlan plan = next_plan(*federation.planner, state.planner, world);
  for (const Participation& start : plan.starts) state.in_flight.emplace(start.id, start);
  state.now = plan.time;

  // Train what is committed: blocks depend on the plan, only their placement on the ranks.
  std::vector<Participation> committed;
  state.feedback.clear();
  for (const Commit& commit : plan.commits) {
    committed.push_back(state.in_flight.at(commit.id));
    state.feedback.push_back({.id = commit.id, .client = committed.back().client});
  }
  const RoundTraining training(federation, state, plan, committed, local, channels, comm,
                               count_lanes(state, comm, trainers));
  const std::size_t commits = training.mine().size();
  std::vector<BlockOutcome> outcomes(commits);
  std::vector<TrainedBlock> ahead(training.ahead().size());
  std::vector<std::unique_ptr<Collector>> collectors;
  for (int w = 0; w < trainers.size(); ++w) collectors.push_back(federation.aggregator->open(training.sums()));
  trainers.for_each(commits + ahead.size(), [&](int worker, std::size_t i, Trainer& trainer) {
    if (i < commits) {
      outcomes[i] = training.train(i, trainer, *collectors[static_cast<std::size_t>(worker)]);
    } else {
      ahead[i - commits] = training.train_ahead(i - commits, trainer);
    }
  });
  state.ahead.owner.insert(training.ahead_owners().begin(), training.ahead_owners().end());
  for (std::size_t i = 0; i < ahead.size(); ++i) {
    state.ahead.trained.emplace(training.ahead()[i].participations.front().id, std::move(ahead[i]));
  }

  // One reduction; then everybody knows the same.
  for (std::size_t w = 1; w < collectors.size(); ++w) collectors[0]->merge(*collectors[w]);
  std::vector<Aggregate> groups = collectors[0]->finish(comm);
  const std::vector<Trained> trained = share_feedback(state.feedback, outcomes, comm);
  training.store_memory(state.memory, outcomes, comm);

  RoundRecord record = describe(plan, state, committed, world, trained);
  for (const Commit& commit : plan.commits) state.in_flight.erase(commit.id), state.ahead.forget(commit.id);
  for (const ParticipationId id : plan.losses) state.in_flight.erase(id), state.ahead.forget(id);

  if (plan.verdict == Verdict::commit && record.committed > 0) {
    protect_versions(state);
    const ServerContext context{task.layout(), task.clients_with_examples(), state.round,
                                random_key(federation.seed, "stage/noise")};
    for (Aggregate& group : groups) training.server_side(group, state, context);
    federation.strategy->server_update(state.strategy, groups, context);
    state.version = Version{value(state.version) + 1};
    record.diverged = !at::isfinite(state.strategy.params()).all().item<bool>();
  } else {
    record.verdict = Verdict::abandoned;
  }
  record.version = state.version;
  return record;
}

}  // namespace shoal
