#include "sim/gossip/plan_gossip.hpp"

#include <algorithm>
#include <set>

#include "sim/round/next_available.hpp"

namespace shoal {
namespace {

const std::map<ParticipationId, Participation> none_in_flight;  // nodes work for one round at a time

// The world as a node with this many neighbours sees it.
World world_of(const Gossip& gossip, const GossipState& state, const LocalSettings& local, Ticks now,
               std::size_t neighbours) {
  const std::int64_t bytes = gossip.row_bytes() * static_cast<std::int64_t>(neighbours);
  return {.task = *gossip.task,
          .population = *gossip.population,
          .local = local,
          .seed = gossip.seed,
          .round = state.round,
          .now = now,
          .version = Version{state.round - 1},
          .message_bytes = bytes,
          .bytes_up = bytes,
          .in_flight = none_in_flight};
}

}  // namespace

std::vector<Participation> GossipPlan::completing() const {
  std::vector<Participation> all;
  for (const GossipStart& start : starts) {
    if (start.completes()) all.push_back(start.participation);
  }
  return all;
}

GossipPlan plan_gossip(const Gossip& gossip, GossipState& state) {
  const std::int64_t nodes = gossip.nodes();
  GossipPlan plan{.local = gossip.local->at(++state.round), .time = state.now};
  std::vector<char> is_available(nodes);
  for (std::int64_t i = 0; i < nodes; ++i) is_available[i] = gossip.population->available(ClientId{i}, state.now);
  for (std::int64_t i = 0; i < nodes; ++i) {
    if (is_available[i] == 0) continue;
    GossipStart start{.links = gossip.topology->neighbours(ClientId{i}, nodes, state.round)};
    std::erase_if(start.links, [&](const Link& link) { return is_available[value(link.to)] == 0; });
    World world = world_of(gossip, state, plan.local, state.now, start.links.size());
    start.participation = world.start(state.next_id, ClientId{i});
    state.next_id = ParticipationId{value(state.next_id) + 1};
    plan.time = std::max(plan.time, start.participation.finish);
    plan.starts.push_back(std::move(start));
  }
  if (plan.starts.empty()) plan.time = next_available(*gossip.task, *gossip.population, state.now);
  state.now = plan.time;
  return plan;
}

RoundRecord describe_gossip(const Gossip& gossip, const GossipState& state, const GossipPlan& plan,
                            std::span<const ClientFigures> figures) {
  RoundRecord record{
      .round = state.round, .version = Version{state.round}, .time = plan.time, .started = std::ssize(plan.starts)};
  std::set<ClientId> senders;
  std::size_t next = 0;
  for (const GossipStart& start : plan.starts) {
    if (start.completes() && figures[next++].accepted) senders.insert(start.participation.client);
  }
  next = 0;
  double loss = 0;
  for (const GossipStart& start : plan.starts) {
    const Participation& p = start.participation;
    const World world = world_of(gossip, state, plan.local, p.start, start.links.size());
    ClientRow row{.participation = p, .joules = world.joules(p), .tier = gossip.population->device(p.client).tier};
    if (start.completes()) {
      row.committed = true;
      row.figures = figures[next++];
      if (row.figures.accepted) {
        ++record.committed;
        loss += row.figures.loss;
        row.figures.bytes_up = world.bytes_up;
      } else {
        ++record.rejected;
      }
      record.examples += row.figures.examples;
      row.bytes_down = gossip.row_bytes() *
                       std::ranges::count_if(start.links, [&](const Link& link) { return senders.contains(link.to); });
    } else {
      ++record.dropouts;
    }
    record.bytes_down += row.bytes_down;
    record.bytes_up += row.figures.bytes_up;
    record.clients.push_back(row);
  }
  record.train_loss = loss / record.committed;
  add_figures(record, gossip.task->figures());
  if (record.committed == 0) record.verdict = Verdict::abandoned;
  return record;
}

}  // namespace shoal
