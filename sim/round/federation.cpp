#include "sim/round/federation.hpp"

#include <algorithm>

#include "sim/digest.hpp"
#include "sim/round/server_rows.hpp"

namespace shoal {
namespace {

// Parts that see several groups one at a time have a section for each.
bool sees_single_groups(const RoundPart* part) {
  return dynamic_cast<const Stage*>(part) != nullptr || dynamic_cast<const Codec*>(part) != nullptr ||
         dynamic_cast<const Rule*>(part) != nullptr || dynamic_cast<const Attack*>(part) != nullptr;
}

}  // namespace

std::vector<Federation::Section> Federation::sections() const {
  std::vector<Section> all;
  const auto add = [&](const char* kind, std::size_t place, const RoundPart* part) {
    if (part != nullptr) all.push_back({fmt::format("{}/{}/{}", kind, place, part->name()), part});
  };
  add("strategy", 1, strategy.get());
  for (std::size_t s = 0; s < stages.size(); ++s) add("stage", 1 + s, stages[s].get());
  for (std::size_t i = 0; i < codecs.size(); ++i) add("codec", 1 + i, codecs[i].get());
  add("aggregator", 1, aggregator.get());
  for (std::size_t r = 0; r < rules.size(); ++r) add("rule", 1 + r, rules[r].get());
  add("attack", 1, attack.get());
  add("planner", 1, planner.get());
  return all;
}

std::string Federation::section_of(const RoundPart& part) const {
  for (Section& section : sections()) {
    if (section.part == &part) return std::move(section.name);
  }
  throw BrokenInvariant(fmt::format("'{}' is no part of the federation", part.name()));
}

std::vector<Channel> Federation::channels(std::int32_t group) const {
  const ParameterLayout& own = layout(group);
  std::vector<Channel> all = strategy->channels(own);
  if (sums.weighting) {
    for (Channel& channel : all) {
      if (channel.weighting != Weighting::real) channel.weighting = *sums.weighting;
    }
  }
  const auto set_bounds = [&] {
    for (Channel& channel : all) {
      if (!channel.bound) channel.bound = sums.bound;
    }
  };
  set_bounds();
  for (const auto& [section, part] : sections()) {
    const auto* stage = dynamic_cast<const Stage*>(part);
    if (stage == nullptr) continue;
    const std::size_t before = all.size();
    stage->declare(all, own);
    ensure(all.size() >= before, "a stage has removed a channel");
    for (std::size_t c = before; c < all.size(); ++c) all[c].name = scoped(section, all[c].name);
    set_bounds();
  }
  return all;
}

std::vector<std::vector<Wire>> Federation::wires(std::span<const Channel> channels, std::int32_t group) const {
  const ParameterLayout& own = layout(group);
  std::vector<std::vector<Wire>> all(1 + codecs.size());
  for (const Channel& channel : channels) {
    all[0].push_back(plain_wire(channel, own.type));
    for (std::size_t i = 0; i < codecs.size(); ++i) {
      const Wire& before = all[i].back();
      all[i + 1].push_back(channel.needs_mean ? before : codecs[i]->wire(before, own));
    }
  }
  return all;
}

std::vector<MemorySlot> Federation::memory() const {
  const std::vector<Channel> declared = channels();
  const std::vector<std::vector<Wire>> sent = wires(declared);
  std::vector<MemorySlot> all;
  std::size_t codec = 0;
  for (const auto& [section, part] : sections()) {
    const bool encodes = dynamic_cast<const Codec*>(part) != nullptr;
    for (MemorySlot& slot : part->memory(task->layout(), encodes ? channels_of(sent[codec]) : declared)) {
      slot.name = scoped(section, slot.name);
      all.push_back(std::move(slot));
    }
    if (part == strategy.get()) {
      for (MemorySlot& row : strategy->rows(task->layout())) {
        row.name = scoped(section, kept_row(row.name));
        all.push_back(std::move(row));
      }
    }
    codec += encodes ? 1 : 0;
  }
  return all;
}

bool Federation::steps_without_clients() const {
  return std::ranges::any_of(sections(), [](const Section& section) { return section.part->steps_without_clients(); });
}

std::vector<std::string> Federation::notes() const {
  return with_composition([](const Composition& all) {
    std::vector<std::string> lines;
    for (const RoundPart* part : all.parts) {
      for (std::string& line : part->notes(all)) lines.push_back(std::move(line));
    }
    return lines;
  });
}

FederationState::FederationState(const Federation& federation, int ranks, int rank)
    : client_side(federation), memory(client_side.memory(), ranks, rank) {
  const Task& task = *federation.task;
  for (const auto& [section, part] : federation.sections()) {
    State& state = sections[section];
    if (part == federation.strategy.get()) {
      state.put("params", task.initial_parameters(random_key(federation.seed, "model/initial_parameters")));
    }
    part->init(state, server_context(federation, *this, client_side.channels(), section));
    for (std::int32_t g = 1; g < federation.groups() && sees_single_groups(part); ++g) {
      part->init(sections[section_of_group(section, g)],
                 server_context(federation, *this, client_side.channels(g), section, nullptr, g));
    }
  }
}

std::string section_of_group(std::string_view section, std::int32_t group) {
  return group == 0 ? std::string(section) : fmt::format("{}/group {}", section, group);
}

RandomKey round_key(const Federation& federation, std::string_view section, std::int64_t round) {
  return random_key(federation.seed, fmt::format("{}/round {}", section, round));
}

ServerContext server_context(const Federation& federation, FederationState& state, std::span<const Channel> channels,
                             std::string_view section, const ServerData* server, std::int32_t group) {
  return {.layout = federation.layout(group),
          .channels = channels,
          .population = federation.task->clients(),
          .clients = federation.task->clients_with_examples(),
          .round = state.round,
          .section = section,
          .key = round_key(federation, section_of_group(section, group), state.round),
          .expected_cohort = state.client_side.expected_cohort(),
          .feedback = state.feedback,
          .board = state.board,
          .server = server,
          .task = federation.task.get()};
}

Message make_message(const Federation& federation, const FederationState& state, std::int32_t group) {
  Message message{.version = state.version, .group = group};
  for (const auto& [section, part] : federation.sections()) {
    if (part == federation.strategy.get()) {
      part->broadcast(state.section(section), group, message);
      continue;
    }
    Message own{.version = state.version, .group = group};
    part->broadcast(state.section(section, sees_single_groups(part) ? group : 0), group, own);
    if (message.wire_bytes) *message.wire_bytes += own.bytes();
    for (auto& [name, tensor] : own.tensors) message.tensors.emplace(scoped(section, name), std::move(tensor));
    if (own.wire_bytes) message.wire_bytes = own.wire_bytes;
    for (const auto& [version, bytes] : own.bytes_since) message.bytes_since[version] = bytes;
  }
  for (auto& [version, bytes] : message.bytes_since) {
    for (const auto& [name, tensor] : message.tensors) {
      if (name != "params") bytes += tensor.nbytes();
    }
  }
  return message;
}

const Message& newest_message(const Federation& federation, FederationState& state, std::int32_t group) {
  const MessageId newest(state.version, group);
  const auto found = state.messages.find(newest);
  if (found != state.messages.end()) return found->second;
  return state.messages.emplace(newest, make_message(federation, state, group)).first->second;
}

std::int64_t kept_row_bytes(const Federation& federation) {
  std::int64_t bytes = 0;
  for (const MemorySlot& row : federation.strategy->rows(federation.task->layout())) {
    bytes += row.size * static_cast<std::int64_t>(at::elementSize(row.type));
  }
  return bytes;
}

std::int64_t download_bytes(const Federation& federation, const Message& message) {
  return message.bytes() + (federation.strategy->sends_others() ? 0 : kept_row_bytes(federation));
}

std::int64_t expected_bytes(std::span<const Wire> wires) {
  std::int64_t bytes = 0;
  for (const Wire& wire : wires) bytes += wire.expected_bytes;
  return bytes;
}

Evaluation evaluate(const at::Tensor& params, std::string_view set, const Task& task, Communicator& comm,
                    Trainers& trainers) {
  const std::int64_t chunks = task.chunks(set);
  const std::int64_t mine = chunks > comm.rank() ? (chunks - comm.rank() - 1) / comm.size() + 1 : 0;
  std::vector<Evaluation> results(mine);
  trainers.for_each(results.size(), [&](int, std::size_t i, Trainer& trainer) {
    const std::int64_t chunk = comm.rank() + i * comm.size();
    results[i] = trainer.evaluate(params, {.set = std::string(set), .index = chunk});
  });
  std::vector<std::int64_t> total(4, 0);
  for (const Evaluation& part : results) {
    total[0] += part.examples;
    total[1] += std::max<std::int64_t>(part.correct, 0);
    total[2] += part.loss;
    total[3] += part.correct < 0 ? 1 : 0;
  }
  comm.sum(total);
  return {.examples = total[0], .correct = total[3] > 0 ? -1 : total[1], .loss = total[2]};
}

std::string digest(const at::Tensor& tensor) {
  const at::Tensor flat = tensor.contiguous().cpu();
  return Digest().add({static_cast<const std::byte*>(flat.const_data_ptr()), flat.nbytes()}).hex();
}

}  // namespace shoal
