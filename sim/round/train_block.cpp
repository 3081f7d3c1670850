#include "sim/round/train_block.hpp"

#include <ATen/ops/zeros.h>

#include <algorithm>

#include "sim/round/server_rows.hpp"

namespace shoal {

RoundTraining::RoundTraining(const Federation& federation, const FederationState& state, const PlannedRound& round,
                             Communicator& comm, int lanes, TrainClients train_clients,
                             std::map<std::int32_t, Message> joined)
    : federation_(federation),
      state_(state),
      round_(round),
      train_clients_(std::move(train_clients)),
      joined_(std::move(joined)) {
  std::vector<TrainingBlock> blocks = blocks_of_round(round, state, *federation.task, joined_.empty() ? lanes : 0);
  const std::vector<Assignment> assignments = assign(blocks, state.ahead, comm.size());
  std::vector<std::vector<ClientRecord>> memory = fetch_memory(blocks, assignments, state.memory, comm);
  if (federation.strategy->sends_others()) fetch_rows(comm, assignments, blocks);
  for (std::size_t b = 0; b < blocks.size(); ++b) {
    OwnBlock block{std::move(blocks[b]), std::move(memory[b])};
    const bool is_ahead = block.block.positions.empty();
    if (is_ahead) ahead_owners_[block.id()] = assignments[b].rank;
    if (assignments[b].rank == comm.rank()) (is_ahead ? ahead_ : commits_).push_back(std::move(block));
  }
}

BlockOutcome RoundTraining::train(const OwnBlock& block, Trainer& trainer, Collector& collector) const {
  const auto held = state_.ahead.trained.find(block.id());
  TrainedBlock done = held != state_.ahead.trained.end() ? held->second : client_side(block, trainer);
  std::vector<double> factors;
  for (const std::size_t position : block.block.positions) factors.push_back(round_.plan.commits[position].weight);
  collector.add(state_.client_side.contribute(round_.session, done, block.participations(), factors));
  return {.positions = block.block.positions,
          .figures = std::move(done.figures),
          .written = std::move(done.written),
          .groups = std::move(done.groups)};
}

TrainedBlock RoundTraining::train_ahead(const OwnBlock& block, Trainer& trainer) const {
  TrainedBlock done = client_side(block, trainer);
  // The trainer's next client overwrites its buffers.
  for (Rows& rows : done.channels) rows = rows.kept();
  return done;
}

TrainedBlock RoundTraining::client_side(const OwnBlock& block, Trainer& trainer) const {
  const Message& message = message_of(block.participations().front());  // the others need the same
  if (rows_.empty()) return train_with(message, block, trainer);
  Message own = message;
  for (const Participation& p : block.participations()) own.rows.emplace(p.client, rows_.at(p.client));
  return train_with(own, block, trainer);
}

TrainedBlock RoundTraining::train_with(const Message& message, const OwnBlock& block, Trainer& trainer) const {
  const ClientSide& side = state_.client_side;
  return train_clients_ ? train_clients_(side, message, block.participations(), block.memory, trainer)
                        : side.train(message, block.participations(), block.memory, trainer);
}

const Message& RoundTraining::message_of(const Participation& first) const {
  const auto joined = joined_.find(first.group);
  return joined != joined_.end() ? joined->second : state_.messages.at({first.version, first.group});
}

// Brings the rows of others that clients download to the ranks that train these clients.
void RoundTraining::fetch_rows(Communicator& comm, std::span<const Assignment> assignments,
                               std::span<const TrainingBlock> blocks) {
  const std::string section = federation_.sections().front().name;
  std::vector<std::size_t> kept;
  for (const MemorySlot& row : federation_.strategy->rows(federation_.task->layout())) {
    kept.push_back(slot_of(state_.memory.slots(), scoped(section, kept_row(row.name))));
  }
  std::vector<std::vector<ClientId>> wanted(comm.size());
  std::vector<ClientId> receivers;  // the client that gets each row of this rank
  for (std::size_t b = 0; b < blocks.size(); ++b) {
    const int rank = assignments[b].rank;
    for (const Participation& p : blocks[b].participations) {
      if (rank == comm.rank()) rows_[p.client];
      for (const ClientId of : federation_.strategy->sends(state_.strategy(), p.client)) {
        wanted[rank].push_back(of);
        if (rank == comm.rank()) receivers.push_back(p.client);
      }
    }
  }
  const std::vector<ClientRecord> records = state_.memory.fetch(wanted, comm, kept);
  for (std::size_t i = 0; i < records.size(); ++i) {
    SentRows sent{.of = wanted[comm.rank()][i]};
    for (const std::size_t slot : kept) {
      ensure(records[i][slot].defined(), "a strategy sends a row of client {} that it has not kept", value(sent.of));
      sent.rows.push_back(records[i][slot].to(federation_.task->layout().device));
    }
    rows_.at(receivers[i]).push_back(std::move(sent));
  }
}

bool RoundTraining::wants_reference() const {
  const auto wants = [](const auto& rule) { return rule->wants_reference(); };
  return !round_.committed.empty() && std::ranges::any_of(federation_.rules, wants);
}

at::Tensor RoundTraining::train_reference(Trainer& trainer) const {
  // The server takes part once a round, so the round's number is the participation's.
  const Participation server{.id = ParticipationId{state_.round},
                             .client = federation_.task->server_client(),
                             .version = state_.version,
                             .round = state_.round};
  return state_.client_side.train_reference(message_of(server), server, trainer);
}

void RoundTraining::store_memory(ClientMemory& memory, std::span<const ClientFigures> figures,
                                 std::vector<BlockOutcome>& outcomes, Communicator& comm) const {
  if (memory.empty()) return;
  std::map<ClientId, std::size_t> last;  // index of each client's last accepted commit
  for (std::size_t i = 0; i < figures.size(); ++i) {
    if (figures[i].accepted) last[round_.committed[i].client] = i;
  }
  std::vector<std::pair<ClientId, ClientRecord>> written;
  for (BlockOutcome& outcome : outcomes) {
    for (std::size_t k = 0; k < outcome.written.size(); ++k) {
      const ClientId client = round_.committed[outcome.positions[k]].client;
      if (!outcome.figures[k].accepted || last.at(client) != outcome.positions[k]) continue;
      written.emplace_back(client, std::move(outcome.written[k]));
    }
  }
  memory.store(written, comm);
}

void RoundTraining::observe(FederationState& state) const {
  const ClientSide& side = state.client_side;
  for (std::size_t s = 0; s < federation_.stages.size(); ++s) {
    const std::string& section = side.stage_section(s);
    federation_.stages[s]->observe(state.section(section),
                                   server_context(federation_, state, side.channels(), section));
  }
}

bool RoundTraining::is_left_out(const Aggregate& group, std::size_t groups) const {
  return groups > 1 && group.clients == 0 && !round_.world.steps_without_clients;
}

void RoundTraining::decode(std::span<Aggregate> groups, FederationState& state, std::span<BlockOutcome> outcomes,
                           ThreadPool& pool) const {
  const ClientSide& side = state.client_side;
  for (std::size_t i = 0; i < groups.size(); ++i) {
    Aggregate& group = groups[i];
    const auto g = static_cast<std::int32_t>(i);
    if (is_left_out(group, groups.size())) {
      for (std::size_t c = 0; c < group.means.size(); ++c) {
        group.means[c] = at::zeros({side.channels(g)[c].size}, group.means[c].options());
      }
      continue;
    }
    const auto section_of = [&](std::string_view section) -> State& { return state.section(section, g); };
    side.decode(group, g, section_of, [&](const auto& settle) {
      pool.for_each(outcomes.size(), [&](int, std::size_t b) {
        BlockOutcome& block = outcomes[b];
        for (std::size_t k = 0; k < block.written.size(); ++k) {
          const bool is_in_group = round_.committed[block.positions[k]].group == g;
          if (is_in_group && block.figures[k].accepted) settle(block.written[k]);
        }
      });
    });
  }
}

void RoundTraining::server_side(std::span<Aggregate> groups, FederationState& state, const ServerData* server) const {
  const ClientSide& side = state.client_side;
  for (std::size_t i = 0; i < groups.size(); ++i) {
    Aggregate& group = groups[i];
    const auto g = static_cast<std::int32_t>(i);
    if (is_left_out(group, groups.size())) continue;
    for (std::size_t s = federation_.stages.size(); s-- > 0;) {
      const std::string& section = side.stage_section(s);
      federation_.stages[s]->server_side(state.section(section, g), group,
                                         server_context(federation_, state, side.channels(g), section, server, g));
    }
  }
}

}  // namespace shoal
