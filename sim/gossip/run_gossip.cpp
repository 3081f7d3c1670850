// One round of gossip. Read `run_gossip` at the end of this file: it is the whole protocol from top to bottom.

#include "sim/gossip/run_gossip.hpp"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/cat.h>

#include <algorithm>
#include <cmath>
#include <optional>
#include <set>

#include "sim/gossip/exchange_rows.hpp"
#include "sim/gossip/mean_model.hpp"
#include "sim/gossip/plan_gossip.hpp"
#include "sim/round/round_blocks.hpp"

namespace shoal {
namespace {

// A block that this rank trains. Its tensors are on the host.
struct OwnNodes {
  TrainingBlock block;
  std::vector<ClientRecord> memory;
  std::optional<ClientBlock> nodes;
  at::Tensor sent, kept;  // [K, row] and [K, m]
  std::vector<ClientFigures> figures;
  std::vector<ClientRecord> written;
};

// A round's blocks: those of all ranks, which are the same on every rank, and this rank's.
struct Blocks {
  std::vector<Participation> completing;
  std::vector<int> owners;  // rank of each completing node
  std::vector<OwnNodes> own;
};

Blocks blocks_of(const Gossip& gossip, const GossipState& state, const GossipPlan& plan, Communicator& comm) {
  Blocks result{.completing = plan.completing()};
  std::vector<TrainingBlock> blocks = compose_blocks(result.completing, *gossip.task, plan.local);
  const std::vector<Assignment> assignments = assign(blocks, {}, comm.size());
  std::vector<std::vector<ClientRecord>> memory = fetch_memory(blocks, assignments, state.memory, comm);
  result.owners.resize(result.completing.size());
  for (std::size_t b = 0; b < blocks.size(); ++b) {
    for (const std::size_t i : blocks[b].positions) result.owners[i] = assignments[b].rank;
    if (assignments[b].rank != comm.rank()) continue;
    result.own.push_back({.block = std::move(blocks[b]), .memory = std::move(memory[b])});
  }
  return result;
}

// The channels one after the other, [K, row], in memory of their own on the host.
at::Tensor joined(const std::vector<Rows>& rows) {
  if (rows.size() == 1) return rows[0].kept().dense().cpu().contiguous();
  std::vector<at::Tensor> parts;
  for (const Rows& channel : rows) parts.push_back(channel.dense().cpu());
  return at::cat(parts, 1);
}

void reject_beyond_bounds(const std::vector<Rows>& sent, std::span<const Channel> channels,
                          std::vector<ClientFigures>& figures) {
  ensure(sent.size() == channels.size(), "a peer strategy sends {} of {} channels", sent.size(), channels.size());
  for (std::size_t c = 0; c < channels.size(); ++c) {
    ensure(sent[c].count() == std::ssize(figures) && sent[c].width() == channels[c].size,
           "channel '{}' was declared with {} values per node and filled with {}", channels[c].name, channels[c].size,
           sent[c].width());
    const std::vector<double> bounds = sent[c].bounds();
    const double most = channels[c].bound.value_or(std::numeric_limits<double>::max());
    for (std::size_t k = 0; k < figures.size(); ++k) figures[k].accepted &= bounds[k] <= most;  // NaN fails it too
  }
}

// `section`: the peer strategy's, which must live as long as `own`.
void train(const Gossip& gossip, std::string_view section, const GossipState& state, const GossipPlan& plan,
           OwnNodes& own, Trainer& trainer) {
  own.nodes.emplace(own.block.participations, plan.local, *gossip.task, trainer, state.memory.slots(),
                    std::move(own.memory), GossipState::model_section);
  ClientBlock& nodes = *own.nodes;
  const at::Tensor models = nodes.recall("model", state.initial);
  nodes.open_memory(section);
  PeerUpdate update = gossip.peer->client_update(models, nodes);
  own.figures = nodes.last().figures;
  ensure(std::ssize(own.figures) == nodes.count(), "a peer strategy returned updates of nodes that it did not train");
  for (ClientFigures& node : own.figures) node.accepted = true;
  reject_beyond_bounds(update.sent, gossip.channels(), own.figures);
  own.sent = joined(update.sent);
  if (!update.kept.defined()) return;
  own.kept = update.kept.cpu().clone();  // it may share the trainer's buffers
  const std::vector<double> bounds = Rows(own.kept).bounds();
  for (std::size_t k = 0; k < own.figures.size(); ++k) own.figures[k].accepted &= std::isfinite(bounds[k]);
}

// The figures of all completing nodes on every rank, in the plan's order.
// `figures`: number of those that the task names.
std::vector<ClientFigures> share_figures(const Blocks& blocks, std::size_t figures, Communicator& comm) {
  const std::size_t size = ClientFigures::packed_size(figures);
  std::vector<std::int64_t> packed(size * blocks.completing.size(), 0);
  for (const OwnNodes& own : blocks.own) {
    for (std::size_t k = 0; k < own.figures.size(); ++k) {
      own.figures[k].pack(std::span(packed).subspan(size * own.block.positions[k], size));
    }
  }
  comm.sum(packed);
  return unpack_all(packed, figures);
}

// The links between nodes that have both sent a row, by the position of the receiving node.
using Links = std::vector<std::vector<Link>>;

Links links_between_senders(const GossipPlan& plan, std::span<const ClientFigures> figures) {
  std::set<ClientId> senders;
  std::size_t position = 0;
  for (const GossipStart& start : plan.starts) {
    if (start.completes() && figures[position++].accepted) senders.insert(start.participation.client);
  }
  Links all;
  for (const GossipStart& start : plan.starts) {
    if (!start.completes()) continue;
    std::vector<Link>& links = all.emplace_back();
    if (!senders.contains(start.participation.client)) continue;
    std::ranges::copy_if(start.links, std::back_inserter(links),
                         [&](const Link& link) { return senders.contains(link.to); });
  }
  return all;
}

NodeRows exchange(const Gossip& gossip, const Blocks& blocks, const Links& links, Communicator& comm) {
  std::map<ClientId, int> owners;
  std::vector<std::set<ClientId>> wanted(comm.size());
  for (std::size_t i = 0; i < blocks.completing.size(); ++i) {
    owners.emplace(blocks.completing[i].client, blocks.owners[i]);
    for (const Link& link : links[i]) wanted[blocks.owners[i]].insert(link.to);
  }
  std::map<ClientId, at::Tensor> mine;
  for (const OwnNodes& own : blocks.own) {
    for (std::size_t k = 0; k < own.figures.size(); ++k) {
      mine.emplace(own.block.participations[k].client, own.sent[static_cast<std::int64_t>(k)]);
    }
  }
  return exchange_rows(std::move(mine), owners, wanted, gossip.row_size(), gossip.task->layout().type, comm);
}

// The own row takes the place of its id among those of the neighbours.
Neighbourhood neighbourhood(ClientId node, const std::vector<Link>& links, const NodeRows& rows) {
  Neighbourhood near;
  double own = 1;
  for (const Link& link : links) own -= link.weight;
  const auto above = std::ranges::upper_bound(links, node, {}, &Link::to);
  near.own = above - links.begin();
  for (const Link& link : links) {
    near.rows.push_back(rows.of(link.to));
    near.weights.push_back(link.weight);
  }
  near.rows.insert(near.rows.begin() + static_cast<std::ptrdiff_t>(near.own), rows.of(node));
  near.weights.insert(near.weights.begin() + static_cast<std::ptrdiff_t>(near.own), own);
  return near;
}

void mix(const Gossip& gossip, const Links& links, const NodeRows& rows, OwnNodes& own) {
  std::vector<Neighbourhood> near;
  for (std::size_t k = 0; k < own.figures.size(); ++k) {
    near.push_back(neighbourhood(own.block.participations[k].client, links[own.block.positions[k]], rows));
  }
  ClientBlock& nodes = *own.nodes;
  const at::Tensor models = gossip.peer->mix(near, own.kept, nodes);
  nodes.open_memory(GossipState::model_section);
  nodes.remember("model", models);
  own.written = nodes.take_written();
}

void store_models(Blocks& blocks, ClientMemory& memory, Communicator& comm) {
  std::vector<std::pair<ClientId, ClientRecord>> written;
  for (OwnNodes& own : blocks.own) {
    for (std::size_t k = 0; k < own.figures.size(); ++k) {
      if (!own.figures[k].accepted) continue;
      written.emplace_back(own.block.participations[k].client, std::move(own.written[k]));
    }
  }
  memory.store(written, comm);
}

}  // namespace

RoundRecord run_gossip(const Gossip& gossip, GossipState& state, Communicator& comm, Trainers& trainers) {
  const at::NoGradGuard no_gradients;

  // Plan, and train each node from its own model. Blocks follow from the plan; ranks decide only where they are
  // trained.
  const GossipPlan plan = plan_gossip(gossip, state);
  const std::string section = gossip.peer_section();
  Blocks blocks = blocks_of(gossip, state, plan, comm);
  trainers.for_each(blocks.own.size(), [&](int, std::size_t i, Trainer& trainer) {
    train(gossip, section, state, plan, blocks.own[i], trainer);
  });
  const std::vector<ClientFigures> figures = share_figures(blocks, gossip.task->figures().size(), comm);

  // One exchange of rows; each node then mixes them in the order of the ids.
  const Links links = links_between_senders(plan, figures);
  const NodeRows rows = exchange(gossip, blocks, links, comm);
  trainers.for_each(blocks.own.size(), [&](int, std::size_t i, Trainer&) { mix(gossip, links, rows, blocks.own[i]); });
  store_models(blocks, state.memory, comm);

  RoundRecord record = describe_gossip(gossip, state, plan, figures);
  const MeanModel mean = mean_model(gossip, state, comm, trainers);
  state.mean = mean.params;
  record.measures["consensus_distance"] = mean.consensus_distance;
  record.diverged = !std::isfinite(mean.consensus_distance);
  return record;
}

}  // namespace shoal
