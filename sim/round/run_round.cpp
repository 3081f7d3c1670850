// One round. Read `run_round` at the end of this file after README.md: it is the whole protocol from top to bottom.

#include "sim/round/run_round.hpp"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/isfinite.h>

#include <algorithm>
#include <optional>

#include "sim/round/finish_session.hpp"
#include "sim/round/in_part.hpp"
#include "sim/round/prelude.hpp"
#include "sim/round/probe.hpp"
#include "sim/round/server_data.hpp"
#include "sim/round/server_rows.hpp"
#include "sim/round/train_block.hpp"

namespace shoal {
namespace {

// The results of this rank's training.
struct Trained {
  std::vector<BlockOutcome> commits;     // in the order of RoundTraining::commits
  std::vector<TrainedBlock> ahead;       // in the order of RoundTraining::ahead
  at::Tensor reference{};                // the server's own update, if a rule wants it: the same on every rank
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
  const std::size_t all = commits + trained.ahead.size();
  trainers.for_each(all + (training.wants_reference() ? 1 : 0), [&](int worker, std::size_t i, Trainer& trainer) {
    if (i < commits) {
      trained.commits[i] = training.train(training.commits()[i], trainer, *collectors[worker]);
    } else if (i < all) {
      trained.ahead[i - commits] = training.train_ahead(training.ahead()[i - commits], trainer);
    } else {
      trained.reference = training.train_reference(trainer);
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

// Notes on every rank in which group each commit's update has counted, where there are several.
void share_groups(const std::vector<BlockOutcome>& outcomes, std::int32_t groups, std::vector<Participation>& committed,
                  Communicator& comm) {
  if (groups == 1) return;
  std::vector<std::int64_t> chosen(committed.size(), 0);
  for (const BlockOutcome& outcome : outcomes) {
    for (std::size_t k = 0; k < outcome.positions.size(); ++k) {
      const std::size_t position = outcome.positions[k];
      chosen[position] = outcome.groups.empty() ? committed[position].group : outcome.groups[k];
    }
  }
  comm.sum(chosen);
  for (std::size_t i = 0; i < chosen.size(); ++i) committed[i].group = chosen[i];
}

// Copies the tensors of the newest messages if participations in flight still need them: they share them with the
// state, and the parts may change them in place.
void protect_newest_messages(FederationState& state) {
  for (auto& [id, message] : state.messages) {
    if (id.version != state.version) continue;
    for (auto& [name, tensor] : message.tensors) tensor = tensor.clone();
  }
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
void update_server(const Federation& federation, const RoundTraining& training, const Prelude& prelude,
                   SessionResult& session, FederationState& state, const ServerData* server) {
  training.server_side(session.groups, state, server);
  const std::string section = federation.sections().front().name;
  ServerContext context = server_context(federation, state, state.client_side.channels(), section, server);
  context.prelude = prelude.groups;
  std::optional<ServerRows> rows;
  if (!session.rows.empty()) context.rows = &rows.emplace(std::move(session.rows), state.memory, section);
  const Strategy& strategy = *federation.strategy;
  in_part(strategy, "server_update", state.round,
          [&] { strategy.server_update(state.strategy(), session.groups, context); });
  require_parameters(state.strategy().params(), federation.task->layout(), strategy, state.round);
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

// Adds what the parts report to the record: "adaptive_clip.bound", for a further group "adaptive_clip_group_1.bound".
void report(const Federation& federation, const FederationState& state, RoundRecord& record) {
  const std::vector<Federation::Section> sections = federation.sections();
  const auto add = [&](const Federation::Section& section, const State& own, const std::string& group) {
    Measures measures;
    Tables tables;
    section.part->report(own, measures, tables);
    if (measures.empty() && tables.empty()) return;
    const std::string label = label_of(section, sections) + group;
    for (const auto& [name, value] : measures) record.measures.emplace(fmt::format("{}.{}", label, name), value);
    for (auto& [name, table] : tables) record.tables.emplace(fmt::format("{}.{}", label, name), std::move(table));
  };
  for (const Federation::Section& section : sections) {
    add(section, state.section(section.name), "");
    for (std::int32_t g = 1; g < federation.groups(); ++g) {
      const auto own = state.sections.find(section_of_group(section.name, g));
      if (own != state.sections.end()) add(section, own->second, fmt::format("_group_{}", g));
    }
  }
}

// Why a round can have rejected all updates. The same in all rounds, so that it is said once.
std::string rejection(const Federation& federation) {
  const std::string why = fmt::format(
      "no update was accepted: all have values that are not finite or beyond their bound ('bound' = {:g} in "
      "[aggregator])",
      federation.sums.bound);
  if (!federation.strategy->takes_local_steps()) return why + ". Raise the bound";
  return why +
         fmt::format(
             ", and the learning rate of the clients is {:g} ('rate' in [local]). Lower the rate, or raise the bound",
             federation.local->at(1).rate);
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
  const Prelude prelude = run_prelude(federation, state, round, comm, trainers);
  if (!prelude.aborted.empty()) abandon(round, prelude.aborted);
  const RoundTraining training(federation, state, round, comm, count_lanes(state, comm, trainers), train_clients,
                               prelude.messages);
  Trained trained = train(training, *federation.aggregator, trainers);
  keep_ahead(training, trained.ahead, state.ahead);

  // One reduction for the sums and one for the clients' figures; afterwards every rank knows the same.
  SessionResult session =
      finish_session(*trained.collector, round, federation, state, comm, trainers, trained.reference);
  if (!session.aborted.empty()) {
    trained.commits.clear();
    abandon(round, session.aborted);
  }
  const std::vector<ClientFigures> figures =
      share_figures(trained.commits, round.committed.size(), federation.task->figures().size(), comm);
  share_groups(trained.commits, federation.groups(), round.committed, comm);
  state.feedback = feedback_of(round.committed, figures);
  training.observe(state);
  RoundRecord record = describe_round(round, figures);
  const bool steps = record.verdict == Verdict::commit && (record.committed > 0 || round.world.steps_without_clients);
  note_downloads(round, state.board);
  end_participations(round.plan, state);
  if (steps) {
    protect_newest_messages(state);
    training.decode(session.groups, state, trained.commits, trainers.pool());
  }
  training.store_memory(state.memory, figures, trained.commits, comm);
  if (steps) {
    const std::optional<ServerData> server = server_data(*federation.task, comm, trainers);
    update_server(federation, training, prelude, session, state, server ? &*server : nullptr);
    report(federation, state, record);
    record.diverged = !at::isfinite(state.strategy().params()).all().item<bool>();
  } else {
    record.verdict = Verdict::abandoned;
    if (record.reason.empty() && record.rejected > 0) record.reason = rejection(federation);
  }
  record.version = state.version;
  return record;
}

}  // namespace shoal
