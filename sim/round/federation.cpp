#include "sim/round/federation.hpp"

#include <algorithm>
#include <set>

#include "sim/digest.hpp"
#include "sim/round/prelude.hpp"
#include "sim/round/server_rows.hpp"

namespace shoal {
namespace {

// If parts promise differential privacy, every channel that needs it must be protected, neither the choice of clients
// nor their weights may depend on what clients report, and no codec may change rows whose norms have been bounded.
void check_privacy(const Composition& all) {
  std::set<std::string> protected_channels;
  bool promises = false;
  for (const RoundPart* part : all.parts) {
    for (const Mechanism& mechanism : part->mechanisms(all)) {
      promises = true;
      protected_channels.insert(mechanism.channels.begin(), mechanism.channels.end());
    }
  }
  if (!promises) return;
  if (const auto* strategy = all.find<Strategy>(); strategy != nullptr) {
    const std::vector<Channel> first = strategy->prelude(all.task.layout());
    if (strategy->wants_rows() || std::ranges::any_of(first, &Channel::is_private)) {
      user_error(
          "[stages] add noise for differential privacy to sums of updates, and '{}' uses more of them than that. Use "
          "another strategy, or leave out the stage that adds noise.",
          strategy->name());
    }
  }
  for (const Channel& channel : all.channels) {
    if (!channel.is_private || protected_channels.contains(channel.name)) continue;
    user_error(
        "[stages] add noise for differential privacy, but not to the channel '{}'. Put the stage that adds noise last; "
        "if "
        "the channel holds counts, which no stage protects, leave out the strategy or stage that declares it.",
        channel.name);
  }
  for (const Codec* codec : all.all<Codec>()) {
    if (codec->changes_nothing()) continue;
    user_error(
        "the codec '{}' changes updates after a stage has bounded their norms for differential privacy, so the noise "
        "may be too small. Use the codec plain, or leave out the stage that adds noise.",
        codec->name());
  }
  for (const RoundPart* part : all.parts) {
    if (!part->uses_feedback()) continue;
    user_error(
        "'{}' chooses or weighs clients by what they report, which no stage of differential privacy accounts for. Use "
        "another one, or leave out the stage that adds noise.",
        part->name());
  }
}

void refuse_missing_means(const Federation& federation) {
  for (const Channel& channel : federation.channels()) {
    if (!channel.needs_mean || federation.aggregator->gives_means()) continue;
    user_error(
        "[aggregator] gives no mean, and the channel '{}' needs one. Use another aggregator, or leave out the strategy "
        "or stage that declares this channel.",
        channel.name);
  }
}

void refuse_missing_rows(const Federation& federation) {
  if (!federation.wants_rows() || federation.aggregator->gives_rows()) return;
  const RoundPart* compares = federation.strategy.get();
  if (federation.attack != nullptr && federation.attack->wants_rows()) compares = federation.attack.get();
  if (!federation.rules.empty()) compares = federation.rules.front().get();
  const RoundPart& part = *compares;
  user_error(
      "'{}' compares the clients' updates, and the aggregator '{}' does not give them. Leave out the name in "
      "[aggregator], which is then \"kept_rows\", or leave out '{}'.",
      part.name(), federation.aggregator->name(), part.name());
}

// If clients wait for each other, the fates of all must be known when they start.
void refuse_waiting(const Federation& federation, const Composition& all) {
  const double expected = federation.planner->sampling(all).expected;
  std::vector<ProtocolPhase> phases = federation.aggregator->phases(all.wires, expected);
  const std::size_t of_aggregator = phases.size();
  add_prelude(phases, *federation.strategy, federation.task->layout());
  const RoundPart& part = phases.size() == of_aggregator ? static_cast<const RoundPart&>(*federation.aggregator)
                                                         : static_cast<const RoundPart&>(*federation.strategy);
  for (const ProtocolPhase& phase : phases) {
    if (!phase.waits) continue;
    if (!federation.planner->waits_for_all()) {
      user_error(
          "in the phase '{}' of '{}' clients wait for each other, and '{}' does not wait for all of them. Use a "
          "planner that waits for its whole cohort.",
          phase.name, part.name(), federation.planner->name());
    }
    if (federation.population->offline() == Offline::pause) {
      user_error(
          "in the phase '{}' of '{}' clients wait for each other, and clients that are offline pause. Change 'offline' "
          "in [population].",
          phase.name, part.name());
    }
  }
}

// Parts that see several groups one at a time have a section for each.
bool sees_single_groups(const RoundPart* part) {
  return dynamic_cast<const Stage*>(part) != nullptr || dynamic_cast<const Codec*>(part) != nullptr ||
         dynamic_cast<const Rule*>(part) != nullptr || dynamic_cast<const Attack*>(part) != nullptr;
}

// Rules would take away the updates of single clients that the strategy looks at.
void refuse_rules_beside_rows(const Federation& federation) {
  if (!federation.strategy->wants_rows() || federation.rules.empty()) return;
  user_error(
      "'{}' works on the updates of single clients, which [[rules]] combine before. Leave out the rules, or use "
      "another strategy.",
      federation.strategy->name());
}

void refuse_prelude(const Federation& federation) {
  if (federation.strategy->prelude(federation.task->layout()).empty() || federation.aggregator->gives_means()) return;
  user_error(
      "'{}' needs means of a first exchange, and the aggregator '{}' gives none. Use another aggregator or strategy.",
      federation.strategy->name(), federation.aggregator->name());
}

// Clients that train smaller variants send shorter updates.
void refuse_variants(const Federation& federation) {
  const std::int32_t variants = federation.task->variants();
  if (variants == 1) return;
  std::set<std::int32_t> trained;
  for (std::int32_t g = 0; g < federation.groups(); ++g) trained.insert(federation.strategy->variant_of(g));
  ensure(*trained.rbegin() < variants, "a group trains variant {} of {}", *trained.rbegin(), variants);
  if (std::ssize(trained) < variants) {
    user_error(
        "the task has {} variants of its model and the strategy '{}' trains {}. Leave out 'shrink' of [model], or use "
        "a "
        "strategy for models of different sizes, such as hetero_fl.",
        variants, federation.strategy->name(), trained.size());
  }
  if (federation.aggregator->needs_rows()) {
    user_error(
        "[aggregator] compares the clients' updates, and clients train models of different sizes. Leave out 'shrink' "
        "of "
        "[model], or use another aggregator and no rules.");
  }
  if (!federation.memory().empty()) {
    user_error(
        "'{}' is kept by the clients, who train models of different sizes. Leave out 'shrink' of [model], or the part "
        "that keeps it.",
        federation.memory().front().name);
  }
}

void refuse_mixed_groups(const Federation& federation) {
  ensure(federation.groups() >= 1, "a strategy has {} groups", federation.groups());
  if (federation.groups() == 1 || federation.aggregator->keeps_groups()) return;
  user_error(
      "'{}' has {} groups of clients, and the aggregator '{}' does not keep their updates apart. Leave out the name in "
      "[aggregator], or use another strategy.",
      federation.strategy->name(), federation.groups(), federation.aggregator->name());
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

void Federation::check() const {
  refuse_variants(*this);
  with_composition([&](const Composition& all) {
    for (const RoundPart* part : all.parts) part->check(all);
    check_privacy(all);
    refuse_waiting(*this, all);
  });
  refuse_missing_means(*this);
  refuse_missing_rows(*this);
  refuse_mixed_groups(*this);
  refuse_rules_beside_rows(*this);
  refuse_prelude(*this);
  for (const auto& codec : codecs) {
    if (!aggregator->needs_rows() || codec->decodes_rows()) continue;
    user_error(
        "[aggregator] compares the clients' updates, and the codec '{}' can only decode their sum. Use an aggregator "
        "that adds updates or a codec that decodes each of them.",
        codec->name());
  }
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

std::int64_t download_bytes(const Federation& federation, const Message& message) {
  std::int64_t bytes = message.bytes();
  for (const MemorySlot& row : federation.strategy->rows(federation.task->layout())) {
    bytes += row.size * static_cast<std::int64_t>(at::elementSize(row.type));
  }
  return bytes;
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
