// One round. Read this after sim/README.md: it is the whole protocol, top to bottom.

#include <ATen/core/grad_mode.h>
#include <ATen/ops/isfinite.h>

#include <cmath>

#include "sim/round/plan_round.hpp"
#include "sim/round/probe.hpp"
#include "sim/round/train_block.hpp"

namespace shoal {
namespace {

// Copies the newest message if participations in flight still need it: the strategy may change the state's tensors in
// place, and that message shares them.
void protect_newest_message(FederationState& state) {
  const auto newest = state.messages.find(state.version);
  if (newest == state.messages.end()) return;
  for (auto& [name, tensor] : newest->second.tensors) tensor = tensor.clone();
}

// The figures of all commits on every rank; each rank gives those of the blocks that it has trained.
std::vector<ClientFigures> share_figures(const std::vector<BlockOutcome>& outcomes, std::size_t commits,
                                         Communicator& comm) {
  std::vector<std::int64_t> packed(ClientFigures::packed_size * commits, 0);
  for (const BlockOutcome& outcome : outcomes) {
    for (std::size_t k = 0; k < outcome.positions.size(); ++k) {
      std::ranges::copy(outcome.figures[k].pack(), &packed[ClientFigures::packed_size * outcome.positions[k]]);
    }
  }
  comm.sum(packed);
  std::vector<ClientFigures> all;
  for (std::size_t i = 0; i < packed.size(); i += ClientFigures::packed_size) {
    all.push_back(ClientFigures::unpack(std::span(packed).subspan(i).first<ClientFigures::packed_size>()));
  }
  return all;
}

std::vector<Feedback> feedback_of(const std::vector<Participation>& committed,
                                  const std::vector<ClientFigures>& figures) {
  std::vector<Feedback> feedback;
  for (std::size_t i = 0; i < committed.size(); ++i) {
    feedback.push_back({.id = committed[i].id,
                        .client = committed[i].client,
                        .loss = figures[i].loss,
                        .steps = figures[i].steps,
                        .accepted = figures[i].accepted});
  }
  return feedback;
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
    row.figures.steps = world.local.local_steps(world.task.work(p.client).examples, p.fraction);
    row.figures.bytes_up = world.bytes_up;
  }
  return row;
}

RoundRecord describe(const RoundPlan& plan, const FederationState& state, const std::vector<Participation>& committed,
                     const World& world, const std::vector<ClientFigures>& figures) {
  RoundRecord record{.round = state.round, .time = plan.time, .verdict = plan.verdict};
  record.started = std::ssize(plan.starts);
  record.lost = std::ssize(plan.losses);
  record.bytes_down = (record.started + only_probed(world.probes, plan.starts)) * world.bytes_down;
  double loss = 0;
  for (std::size_t i = 0; i < committed.size(); ++i) {
    record.clients.push_back({.participation = committed[i],
                              .committed = true,
                              .weight = plan.commits[i].weight,
                              .figures = figures[i],
                              .bytes_down = world.bytes_down});
    record.bytes_up += figures[i].bytes_up;
    record.rejected += figures[i].accepted ? 0 : 1;
    record.examples += figures[i].examples;
    loss += figures[i].accepted ? figures[i].loss : 0;
  }
  record.committed = std::ssize(committed) - record.rejected;
  record.train_loss = loss / static_cast<double>(record.committed);
  for (const ParticipationId id : plan.losses) {
    record.clients.push_back(lost_row(id, plan, state, world));
    record.bytes_up += record.clients.back().figures.bytes_up;
  }
  for (ClientRow& row : record.clients) {
    const auto [down, up] = world.protocol_bytes(row.participation);
    row.bytes_down += down, record.bytes_down += down;
    row.figures.bytes_up += up, record.bytes_up += up;
    row.joules = world.joules(row.participation);
    row.tier = world.population.device(row.participation.client).tier;
  }
  return record;
}

}  // namespace

RoundRecord run_round(const Federation& federation, FederationState& state, Communicator& comm, Trainers& trainers) {
  const at::NoGradGuard no_gradients;
  const Task& task = *federation.task;

  // Plan: the same on every rank, without a message unless losses are probed.
  const PlannedRound round = plan_round(federation, state, [&](const std::vector<ClientId>& clients) {
    return probe_losses(clients, federation, state, comm, trainers);
  });
  const RoundPlan& plan = round.plan;

  // Train what is committed: blocks depend on the plan, only their placement on the ranks.
  const RoundTraining training(federation, state, plan, round.committed, round.local, round.channels, comm,
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
  const std::vector<ClientFigures> figures = share_figures(outcomes, round.committed.size(), comm);
  state.feedback = feedback_of(round.committed, figures);
  training.store_memory(state.memory, outcomes, comm);

  RoundRecord record = describe(plan, state, round.committed, round.world, figures);
  end_participations(plan, state);

  if (plan.verdict == Verdict::commit && record.committed > 0) {
    protect_newest_message(state);
    const ServerContext context{task.layout(), task.clients_with_examples(), state.round,
                                random_key(federation.seed, Purpose::stage_noise)};
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
