#include "sim/round/prelude.hpp"

#include <algorithm>
#include <cmath>

#include "sim/round/plan_sums.hpp"
#include "sim/round/round_blocks.hpp"

namespace shoal {
namespace {

bool is_before_download(const ProtocolPhase& phase) { return phase.place == ProtocolPhase::Place::before_download; }

// The number of the phase in which clients send, among a participation's phases: the last but one before the download.
std::size_t sending_number(const World& world) {
  return own_phases + std::ranges::count_if(world.protocol, is_before_download) - 2;
}

// Those who take part in the exchange, in an order that follows from the plan.
std::vector<Participation> cohort_of(const PlannedRound& round) {
  std::vector<Participation> cohort = round.committed;
  const std::size_t number = sending_number(round.world);
  for (const Participation& p : round.dropouts) {
    const bool is_new = p.version == round.world.version && p.round == round.world.round;
    const bool drops_out = p.outcome > Outcome::completes;
    if (is_new && drops_out && round.world.has_ended(p, number)) cohort.push_back(p);
  }
  return cohort;
}

std::vector<Wire> wires_of(std::span<const Channel> channels, const Federation& federation) {
  std::vector<Wire> wires;
  for (const Channel& channel : channels) wires.push_back(plain_wire(channel, federation.task->layout().type));
  return wires;
}

AggregationPlan plan_exchange(std::span<const Channel> channels, std::span<const Participation> cohort,
                              const Federation& federation, std::int64_t round) {
  RoundPlan all;
  for (const Participation& p : cohort) all.commits.push_back({p.id});
  AggregationPlan plan = plan_sums(wires_of(channels, federation), all, cohort, *federation.task);
  plan.cohort.assign(cohort.begin(), cohort.end());
  std::ranges::sort(plan.cohort, {}, &Participation::id);
  for (std::size_t i = 0; i < plan.cohort.size(); ++i) plan.contributing.push_back(i);
  plan.round = round;
  plan.groups = federation.groups();
  plan.key = round_key(federation, scoped(federation.section_of(*federation.aggregator), "prelude"), round);
  return plan;
}

// The weight of client k in a channel; not finite or negative: its update is rejected.
double weight_of(const Channel& channel, const UpdateBlock& update, const ClientBlock& clients, std::size_t k) {
  if (channel.weighting == Weighting::examples) return clients.examples(k);
  if (channel.weighting == Weighting::uniform) return 1;
  ensure(k < update.weight.size(), "channel '{}' has no weight for a client", channel.name);
  return update.weight[k] <= channel.largest_weight ? update.weight[k] : -1;
}

Contribution contribute(UpdateBlock update, std::span<const Channel> channels, const AggregationPlan& plan,
                        const ClientBlock& clients) {
  const std::span<const Participation> block = clients.participations();
  Contribution contribution{.accepted = std::vector<bool>(block.size(), true)};
  contribution.block.assign(block.begin(), block.end());
  ensure(update.channels.size() == channels.size(), "a first exchange of {} channels has filled {}", channels.size(),
         update.channels.size());
  for (std::size_t c = 0; c < channels.size(); ++c) {
    const Rows& rows = update.channels[c];
    ensure(rows.count() == clients.count() && rows.width() == channels[c].size,
           "channel '{}' of a first exchange was declared with {} values per client and filled with {}",
           channels[c].name, channels[c].size, rows.width());
    const std::vector<double> largest = rows.bounds();
    std::vector<std::int64_t> weights;
    for (std::size_t k = 0; k < block.size(); ++k) {
      const double weight = weight_of(channels[c], update, clients, k);
      const bool fits = largest[k] <= *channels[c].bound && weight >= 0;  // NaN fails the comparisons too
      if (!fits) contribution.accepted[k] = false;
      weights.push_back(fits ? std::llround(weight / plan.scales[c].weight_unit) : 0);
    }
    contribution.shares.push_back(weights);
    contribution.weights.push_back(std::move(weights));
  }
  contribution.channels = std::move(update.channels);
  if (plan.groups > 1) {
    for (const Participation& p : block) contribution.groups.push_back(p.group);
  }
  return contribution;
}

}  // namespace

std::vector<Channel> prelude_channels(const Federation& federation) {
  std::vector<Channel> channels = federation.strategy->prelude(federation.task->layout());
  for (Channel& channel : channels) {
    channel.needs_mean = true;
    if (!channel.bound) channel.bound = federation.sums.bound;
    if (federation.sums.weighting && channel.weighting != Weighting::real) {
      channel.weighting = *federation.sums.weighting;
    }
  }
  return channels;
}

void add_prelude(std::vector<ProtocolPhase>& protocol, const Federation& federation, double expected_cohort) {
  const std::vector<Wire> wires = wires_of(prelude_channels(federation), federation);
  if (wires.empty()) return;
  const std::int64_t bytes = expected_bytes(wires);
  const std::int64_t up = federation.aggregator->bytes_up(wires, expected_cohort).value_or(bytes);
  const auto place = ProtocolPhase::Place::before_download;
  protocol.insert(
      protocol.begin() + std::ranges::count_if(protocol, is_before_download),
      {ProtocolPhase{.name = "values of the first exchange", .place = place, .bytes_up = up, .passes = 1},
       ProtocolPhase{.name = "means of the first exchange", .place = place, .bytes_down = bytes, .waits = true}});
}

Prelude run_prelude(const Federation& federation, FederationState& state, const PlannedRound& round, Communicator& comm,
                    Trainers& trainers) {
  const std::vector<Channel> channels = prelude_channels(federation);
  if (channels.empty() || round.plan.verdict == Verdict::abandoned || round.committed.empty()) return {};
  const std::vector<Participation> cohort = cohort_of(round);
  const AggregationPlan plan = plan_exchange(channels, cohort, federation, round.world.round);
  Prelude prelude{.aborted = federation.aggregator->refuses(plan)};
  if (!prelude.aborted.empty()) return prelude;

  const std::vector<TrainingBlock> blocks = compose_blocks(cohort, *federation.task, round.local);
  const std::vector<Assignment> assignments = assign(blocks, {}, comm.size());
  std::vector<std::vector<ClientRecord>> memory = fetch_memory(blocks, assignments, state.memory, comm);
  std::vector<std::size_t> mine;
  for (std::size_t b = 0; b < blocks.size(); ++b) {
    if (assignments[b].rank == comm.rank()) mine.push_back(b);
  }
  std::vector<std::unique_ptr<Collector>> collectors(trainers.size());
  for (std::unique_ptr<Collector>& collector : collectors) collector = federation.aggregator->open(plan);
  const std::string section = federation.sections().front().name;
  trainers.for_each(mine.size(), [&](int worker, std::size_t i, Trainer& trainer) {
    const std::vector<Participation>& block = blocks[mine[i]].participations;
    ClientBlock clients(block, round.local, *federation.task, trainer, state.client_side.memory(),
                        std::move(memory[mine[i]]), section);
    const Message& message = state.messages.at({block.front().version, block.front().group});
    UpdateBlock update = federation.strategy->prelude_update(message, clients);
    collectors[worker]->add(contribute(std::move(update), channels, plan, clients));
  });
  for (std::size_t w = 1; w < collectors.size(); ++w) collectors[0]->merge(*collectors[w]);
  State& own = state.section(federation.section_of(*federation.aggregator));
  Intake intake = collectors[0]->finish(comm, trainers.pool(), own);
  prelude.aborted = std::move(intake.aborted);
  if (!prelude.aborted.empty()) return prelude;

  for (const Participation& p : round.committed) {
    if (prelude.messages.contains(p.group)) continue;
    Message& joined = prelude.messages.emplace(p.group, state.messages.at({p.version, p.group})).first->second;
    for (std::size_t c = 0; c < channels.size(); ++c) {
      joined.tensors.insert_or_assign("prelude/" + channels[c].name, intake.sums.at(p.group).means[c]);
    }
  }
  prelude.groups = std::move(intake.sums);
  return prelude;
}

}  // namespace shoal
