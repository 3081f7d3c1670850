#include "sim/gossip/gossip.hpp"

#include "sim/error.hpp"

namespace shoal {
namespace {

// The spectral gap costs n^3, and the check of the weights as many steps as there are links.
constexpr std::int64_t most_for_gap = 256, most_for_check = 512;

}  // namespace

std::int64_t Gossip::row_size() const {
  std::int64_t size = 0;
  for (const Channel& channel : channels()) size += channel.size;
  return size;
}

std::int64_t Gossip::row_bytes() const {
  return row_size() * static_cast<std::int64_t>(c10::elementSize(task->layout().type));
}

std::string Gossip::peer_section() const { return fmt::format("peer/1/{}", peer->name()); }
std::string Gossip::topology_section() const { return fmt::format("topology/1/{}", topology->name()); }

std::vector<MemorySlot> Gossip::memory() const {
  const ParameterLayout& layout = task->layout();
  std::vector<MemorySlot> all = {{scoped(GossipState::model_section, "model"), layout.size, layout.type}};
  const std::vector<Channel> sent = channels();
  const auto add = [&](const std::string& section, const RoundPart& part) {
    for (MemorySlot& slot : part.memory(layout, sent)) {
      slot.name = scoped(section, slot.name);
      all.push_back(std::move(slot));
    }
  };
  add(peer_section(), *peer);
  add(topology_section(), *topology);
  return all;
}

void Gossip::check() const {
  if (task->variants() > 1) {
    user_error("the task has {} variants of its model, and nodes exchange one. Leave out 'shrink' of [model].",
               task->variants());
  }
  with_composition([](const Composition& all) {
    for (const RoundPart* part : all.parts) part->check(all);
  });
  if (task->clients_with_examples() < nodes()) {
    user_error("{} of {} nodes have no training examples. Use a [partition] that gives every client some.",
               nodes() - task->clients_with_examples(), nodes());
  }
  if (population->limits().quota().any()) {
    user_error("[population.limits] sets daily quotas, which nodes of a [topology] do not keep. Leave them out.");
  }
  if (nodes() <= most_for_check) check_weights(*topology, nodes());
  if (nodes() <= most_for_gap && spectral_gap(*topology, nodes()) < 1e-12) {
    user_error("[topology] {} leaves nodes that never hear of each other. Use another topology.", topology->name());
  }
}

std::vector<std::string> Gossip::notes() const {
  std::int64_t links = 0, most = 0;
  for (std::int64_t i = 0; i < nodes(); ++i) {
    const std::int64_t degree = std::ssize(topology->neighbours(ClientId{i}, nodes(), 1));
    links += degree;
    most = std::max(most, degree);
  }
  std::vector<std::string> lines = {
      fmt::format("{} nodes without a server, {} parameters", nodes(), task->layout().size),
      fmt::format("topology {}: {} links in the first round, at most {} a node", topology->name(), links / 2, most)};
  if (nodes() <= most_for_gap) {
    lines.push_back(fmt::format("spectral gap {:.6g}", spectral_gap(*topology, nodes())));
  }
  lines.push_back(fmt::format("{} bytes sent in the first round", links * row_bytes()));
  with_composition([&](const Composition& all) {
    for (const RoundPart* part : all.parts) {
      for (std::string& line : part->notes(all)) lines.push_back(std::move(line));
    }
  });
  return lines;
}

GossipState::GossipState(const Gossip& gossip, int ranks, int rank)
    : mean(gossip.task->initial_parameters(random_key(gossip.seed, "model/initial_parameters"))),
      memory(gossip.memory(), ranks, rank) {
  initial = mean.cpu();
}

}  // namespace shoal
