// One round. Read `run_round` at the end of this file after README.md: it is the whole protocol from top to bottom.

#include "sim/round/run_round.hpp"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/isfinite.h>

#include <algorithm>
#include <optional>

#include "sim/round/finish_session.hpp"
#include "sim/round/probe.hpp"
#include "sim/round/server_data.hpp"
#include "sim/round/train_block.hpp"

namespace shoal {
namespace {

// The results of this rank's training.
struct Trained {
  std::vector<BlockOutcome> commits;     // in the order of RoundTraining::commits
  std::vector<TrainedBlock> ahead;       // in the order of RoundTraining::ahead
  std::unique_ptr<Collector> collector;  // holds the contributions of all threads
};

// Number of threads of all ranks together. It must be the same on every rank, since it decides which participations are
// trained ahead.
int count_lanes(FederationState& state, Communicator& comm, const Trainers& trainers) {
  if (state.ahead.lanes == 0) {
    std::vector<std::int64_t> lanes(1, trainers.size());
    comm.sum(lanes);
    state.ahead.lanes = lanes[0];
  }
  return state.ahead.lanes;
}

Trained train(const RoundTraining& training, const Aggregator& aggregator, Trainers& trainers) {
  const std::size_t commits = training.commits().size();
  Trained trained{.commits = std::vector<BlockOutcome>(commits),
                  .ahead = std::vector<TrainedBlock>(training.ahead().size())};
  std::vector<std::unique_ptr<Collector>> collectors(trainers.size());
  for (std::unique_ptr<Collector>& collector : collectors) collector = aggregator.open(training.sums());
  trainers.for_each(commits + trained.ahead.size(), [&](int worker, std::size_t i, Trainer& trainer) {
    if (i < commits) {
      trained.commits[i] = training.train(training.commits()[i], trainer, *collectors[worker]);
    } else {
      trained.ahead[i - commits] = training.train_ahead(training.ahead()[i - commits], trainer);
    }
  });
  for (std::size_t w = 1; w < collectors.size(); ++w) collectors[0]->merge(*collectors[w]);
  trained.collector = std::move(collectors[0]);
  return trained;
}

// Keeps blocks that were trained ahead until they are committed.
void keep_ahead(const RoundTraining& training, std::vector<TrainedBlock>& trained, Ahead& ahead) {
  ahead.owner.insert(training.ahead_owners().begin(), training.ahead_owners().end());
  for (std::size_t i = 0; i < trained.size(); ++i) {
    ahead.trained.emplace(training.ahead()[i].id(), std::move(trained[i]));
  }
}

// Returns the figures of all commits on every rank; each rank contributes those of the blocks that it has trained.
// `figures`: number of those that the task names.
std::vector<ClientFigures> share_figures(const std::vector<BlockOutcome>& outcomes, std::size_t commits,
                                         std::size_t figures, Communicator& comm) {
  const std::size_t size = ClientFigures::packed_size(figures);
  std::vector<std::int64_t> packed(size * commits, 0);
  for (const BlockOutcome& outcome : outcomes) {
    for (std::size_t k = 0; k < outcome.positions.size(); ++k) {
      outcome.figures[k].pack(std::span(packed).subspan(size * outcome.positions[k], size));
    }
  }
  comm.sum(packed);
  return unpack_all(packed, figures);
}

// The report on the commits, for planners.
std::vector<Feedback> feedback_of(std::span<const Participation> committed, std::span<const ClientFigures> figures) {
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

// Copies the tensors of the newest message if participations in flight still need it: it shares them with the state,
// and the strategy may change them in place.
void protect_newest_message(FederationState& state) {
  const auto newest = state.messages.find(state.version);
  if (newest == state.messages.end()) return;
  for (auto& [name, tensor] : newest->second.tensors) tensor = tensor.clone();
}

// Notes which version the clients hold that have ended a download, where later downloads depend on it.
void note_downloads(const PlannedRound& round, Board& board) {
  if (round.world.bytes_since.empty()) return;
  const auto note = [&](const Participation& p) {
    if (round.world.has_ended(p, download_number)) board.set(Board::held, p.client, value(p.version));
  };
  std::ranges::for_each(round.committed, note);
  std::ranges::for_each(round.dropouts, note);
}

// Makes the next version of the model with the stages and the strategy.
void update_server(const Federation& federation, const RoundTraining& training, std::vector<Aggregate>& groups,
                   FederationState& state, const ServerData* server) {
  protect_newest_message(state);
  for (Aggregate& group : groups) training.server_side(group, state, server);
  const std::string section = federation.sections().front().name;
  federation.strategy->server_update(state.strategy(), groups,
                                     server_context(federation, state, state.client_side.channels(), section, server));
  state.version = Version{value(state.version) + 1};
}

// The name of a part in measures and tables: its own, with its kind and place as far as other parts have that name.
std::string label_of(const Federation::Section& section, std::span<const Federation::Section> all) {
  const std::string& name = section.part->name();
  const auto kind_of = [](const Federation::Section& of) { return of.name.substr(0, of.name.find('/')); };
  const std::string kind = kind_of(section);
  std::int64_t others = 0, others_of_kind = 0;
  for (const Federation::Section& other : all) {
    if (other.name == section.name || other.part->name() != name) continue;
    ++(kind_of(other) == kind ? others_of_kind : others);
  }
  std::string label = others > 0 ? fmt::format("{}_{}", kind, name) : name;
  if (others_of_kind > 0) {
    const std::size_t begin = section.name.find('/') + 1;
    label += fmt::format("_{}", section.name.substr(begin, section.name.find('/', begin) - begin));
  }
  return label;
}

// Adds what the parts report to the record: "adaptive_clip.bound".
void report(const Federation& federation, const FederationState& state, RoundRecord& record) {
  const std::vector<Federation::Section> sections = federation.sections();
  for (const Federation::Section& section : sections) {
    Measures measures;
    Tables tables;
    section.part->report(state.section(section.name), measures, tables);
    if (measures.empty() && tables.empty()) continue;
    const std::string label = label_of(section, sections);
    for (const auto& [name, value] : measures) record.measures.emplace(fmt::format("{}.{}", label, name), value);
    for (auto& [name, table] : tables) record.tables.emplace(fmt::format("{}.{}", label, name), std::move(table));
  }
}

}  // namespace

RoundRecord run_round(const Federation& federation, FederationState& state, Communicator& comm, Trainers& trainers,
                      const TrainClients& train_clients) {
  const at::NoGradGuard no_gradients;

  // Plan: the same on every rank, without messages unless losses are probed.
  PlannedRound round = plan_round(federation, state, [&](const std::vector<ClientId>& clients) {
    return probe_losses(clients, federation, state, comm, trainers);
  });

  // Train the commits, and train ahead on idle threads. The blocks of commits follow from the plan alone; only their
  // placement depends on the number of ranks.
  const RoundTraining training(federation, state, round, comm, count_lanes(state, comm, trainers), train_clients);
  Trained trained = train(training, *federation.aggregator, trainers);
  keep_ahead(training, trained.ahead, state.ahead);

  // One reduction for the sums and one for the clients' figures; afterwards every rank knows the same.
  SessionResult session = finish_session(*trained.collector, round, federation, state, comm, trainers);
  if (!session.aborted.empty()) {
    trained.commits.clear();
    abandon(round, session.aborted);
  }
  const std::vector<ClientFigures> figures =
      share_figures(trained.commits, round.committed.size(), federation.task->figures().size(), comm);
  state.feedback = feedback_of(round.committed, figures);
  training.observe(state);
  training.store_memory(state.memory, figures, trained.commits, comm);

  RoundRecord record = describe_round(round, figures);
  note_downloads(round, state.board);
  end_participations(round.plan, state);
  if (record.verdict == Verdict::commit && (record.committed > 0 || round.world.steps_without_clients)) {
    const std::optional<ServerData> server = server_data(*federation.task, comm, trainers);
    update_server(federation, training, session.groups, state, server ? &*server : nullptr);
    report(federation, state, record);
    record.diverged = !at::isfinite(state.strategy().params()).all().item<bool>();
  } else {
    record.verdict = Verdict::abandoned;
  }
  record.version = state.version;
  return record;
}

}  // namespace shoal
