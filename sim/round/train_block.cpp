#include "sim/round/train_block.hpp"

#include <cmath>
#include <map>

#include "kernels/fixed_point.hpp"

namespace shoal {
namespace {

constexpr double real_weight_unit = 1.0 / (1 << 24);

bool is_finite(const ClientRecord& record) {
  return std::ranges::all_of(
      record, [](const at::Tensor& values) { return !values.defined() || std::isfinite(Rows(values).largest()[0]); });
}

}  // namespace

AggregationPlan plan_sums(const std::vector<Channel>& channels, std::span<const Commit> commits,
                          std::span<const Participation> committed, const Task& task) {
  AggregationPlan plan{.channels = channels, .type = task.layout().type, .device = task.layout().device};
  const bool whole = std::ranges::all_of(commits, [](const Commit& commit) { return commit.weight == 1; });
  for (const Channel& channel : channels) {
    ChannelScale scale{.weight_unit = whole && channel.weighting != Weighting::real ? 1.0 : real_weight_unit};
    double total = 0;
    for (std::size_t i = 0; i < commits.size(); ++i) {
      double weight = 1;
      if (channel.weighting == Weighting::examples) {
        weight = static_cast<double>(task.work(committed[i].client).examples);
      }
      if (channel.weighting == Weighting::real) weight = channel.largest_weight;
      // In whole units, as the sum counts them: weights below a unit may be rounded up to one.
      total += std::ceil(weight * commits[i].weight / scale.weight_unit) * scale.weight_unit;
    }
    scale.exponent = unit_exponent(std::max(total, scale.weight_unit), *channel.bound);
    plan.scales.push_back(scale);
  }
  return plan;
}

RoundTraining::RoundTraining(const Federation& federation, const FederationState& state, const RoundPlan& plan,
                             std::span<const Participation> committed, const LocalSettings& local,
                             const std::vector<Channel>& channels, Communicator& comm, int lanes)
    : federation_(federation),
      state_(state),
      plan_(plan),
      sums_(plan_sums(channels, plan.commits, committed, *federation.task)) {
  const ParameterLayout& layout = federation.task->layout();
  strategy_channels_ = federation.strategy->channels(layout).size();
  std::size_t next = strategy_channels_;
  for (const auto& stage : federation.stages) {
    stage_channels_.push_back(next);
    next += stage->channels(layout).size();
  }

  std::vector<TrainingBlock> blocks = compose_blocks(committed, *federation.task, local);
  const auto known = [&](const TrainingBlock& block) {
    return state.ahead.owner.find(block.participations.front().id);
  };
  const auto waiting = static_cast<std::size_t>(std::ranges::count_if(
      blocks, [&](const TrainingBlock& block) { return known(block) == state.ahead.owner.end(); }));
  const std::size_t commits = blocks.size();
  if (local.block == 1 && waiting > 0 && waiting < static_cast<std::size_t>(lanes)) {
    for (const Participation& p : next_to_finish(state, plan, static_cast<std::size_t>(lanes) - waiting)) {
      blocks.push_back({{p}, {}, local_flops(federation.task->work(p.client), local, p.fraction)});
    }
  }
  std::vector<double> costs;
  for (const TrainingBlock& block : blocks) {
    if (known(block) == state.ahead.owner.end()) costs.push_back(block.cost);
  }
  const std::vector<int> owners = place(costs, comm.size());
  std::vector<std::vector<ClientId>> wanted(static_cast<std::size_t>(comm.size()));
  std::vector<std::size_t> fetches;  // of mine_, then of ahead_: clients whose memory is fetched
  auto next_owner = owners.begin();
  for (std::size_t b = 0; b < blocks.size(); ++b) {
    const auto trained = known(blocks[b]);
    const bool is_trained = trained != state.ahead.owner.end();
    const int owner = is_trained ? trained->second : *next_owner++;
    if (b >= commits) ahead_owners_[blocks[b].participations.front().id] = owner;
    if (!is_trained) {
      for (const Participation& p : blocks[b].participations)
        wanted[static_cast<std::size_t>(owner)].push_back(p.client);
    }
    if (owner != comm.rank()) continue;
    fetches.push_back(is_trained ? 0 : blocks[b].participations.size());
    (b < commits ? mine_ : ahead_).push_back(std::move(blocks[b]));
  }
  memory_.resize(fetches.size());
  if (state.memory.empty()) return;
  std::vector<ClientRecord> fetched = state.memory.fetch(wanted, comm);
  auto at = fetched.begin();
  for (std::size_t b = 0; b < fetches.size(); ++b) {
    for (std::size_t k = 0; k < fetches[b]; ++k) memory_[b].push_back(std::move(*at++));
  }
}

void RoundTraining::weigh(Contribution& contribution, const TrainingBlock& block, const TrainedBlock& done) const {
  for (std::size_t c = 0; c < sums_.channels.size(); ++c) {
    const Channel& channel = sums_.channels[c];
    const bool by_own = c < strategy_channels_ && plan_.divisor == Divisor::own_weights;
    std::vector<std::int64_t> weights(block.positions.size()), shares(weights.size());
    for (std::size_t k = 0; k < weights.size(); ++k) {
      double own = 1;
      if (channel.weighting == Weighting::examples) own = static_cast<double>(done.examples[k]);
      if (channel.weighting == Weighting::real) {
        ensure(k < done.weight.size(), "channel '{}' has no weight for a client", channel.name);
        if (!std::isfinite(done.weight[k])) {
          contribution.accepted[k] = false;
          continue;
        }
        ensure(done.weight[k] >= 0 && done.weight[k] <= channel.largest_weight,
               "channel '{}' has a weight outside [0, {}]", channel.name, channel.largest_weight);
        own = done.weight[k];
      }
      const double unit = sums_.scales[c].weight_unit;
      weights[k] = std::llround(own * plan_.commits[block.positions[k]].weight / unit);
      shares[k] = by_own ? std::llround(own / unit) : weights[k];
    }
    contribution.weights.push_back(std::move(weights));
    contribution.shares.push_back(std::move(shares));
  }
}

TrainedBlock RoundTraining::work(const TrainingBlock& block, const std::vector<ClientRecord>& memory,
                                 Trainer& trainer) const {
  const Message& message = state_.messages.at(block.participations.front().version);
  const LocalSettings local = federation_.local->at(block.participations.front().round);
  ClientBlock clients(block.participations, local, *federation_.task, trainer, state_.memory, memory);
  UpdateBlock update = federation_.strategy->client_update(message, clients);
  ensure(std::ssize(clients.last().steps) == clients.count(),
         "a strategy returned an update of clients it did not train");
  update.channels.resize(sums_.channels.size());
  for (std::size_t s = 0; s < federation_.stages.size(); ++s) {
    federation_.stages[s]->client_side(message, clients, update, stage_channels_[s]);
  }

  const std::size_t count = block.participations.size();
  TrainedBlock done{.accepted = std::vector<bool>(count, true), .weight = std::move(update.weight)};
  done.bytes.resize(count);
  for (std::size_t k = 0; k < count; ++k) done.examples.push_back(clients.examples(static_cast<std::int64_t>(k)));
  const RandomKey key = random_key(federation_.seed, "stage/noise");
  for (std::size_t c = 0; c < sums_.channels.size(); ++c) {
    const Channel& channel = sums_.channels[c];
    Rows rows = update.channels[c];
    ensure(rows.count() == clients.count() && rows.width() == channel.size,
           "channel '{}' was declared with {} values per client and filled with {}", channel.name, channel.size,
           rows.width());
    const Encoded encoded = federation_.codec->encode(std::move(rows), key, block.participations);
    ensure(std::ssize(encoded.bytes) == clients.count(), "a codec has not counted every client's bytes");
    done.channels.push_back(federation_.sums_words() ? encoded.words : federation_.codec->decode_rows(encoded));
    const std::vector<double> largest = done.channels.back().largest();
    for (std::size_t k = 0; k < count; ++k) {
      done.bytes[k] += encoded.bytes[k];
      if (!(largest[k] <= *channel.bound)) done.accepted[k] = false;  // also when it is not a number
    }
  }
  done.written = clients.take_written();
  for (std::size_t k = 0; k < done.written.size(); ++k) {
    // A client that would remember infinity could never come back from it.
    if (!is_finite(done.written[k])) done.accepted[k] = false;
  }
  done.loss = clients.last().loss;
  done.steps = clients.last().steps;
  done.rejected = clients.last().rejected;
  done.rejected.resize(count, 0);
  return done;
}

BlockOutcome RoundTraining::train(std::size_t index, Trainer& trainer, Collector& collector) const {
  const TrainingBlock& block = mine_[index];
  const auto held = state_.ahead.trained.find(block.participations.front().id);
  TrainedBlock done = held != state_.ahead.trained.end() ? held->second : work(block, memory_[index], trainer);
  Contribution contribution{.channels = std::move(done.channels), .accepted = std::move(done.accepted)};
  for (const Participation& p : block.participations) contribution.clients.push_back(p.client);
  weigh(contribution, block, done);
  collector.add(contribution);
  return {.positions = block.positions,
          .loss = std::move(done.loss),
          .steps = std::move(done.steps),
          .examples = std::move(done.examples),
          .rejected = std::move(done.rejected),
          .bytes = std::move(done.bytes),
          .accepted = std::move(contribution.accepted),
          .written = std::move(done.written)};
}

TrainedBlock RoundTraining::train_ahead(std::size_t index, Trainer& trainer) const {
  TrainedBlock done = work(ahead_[index], memory_[mine_.size() + index], trainer);
  for (Rows& rows : done.channels)
    rows = Rows(rows.dense().clone());  // the trainer's next client overwrites its buffers
  return done;
}

void RoundTraining::store_memory(ClientMemory& memory, std::vector<BlockOutcome>& outcomes, Communicator& comm) const {
  if (memory.empty()) return;
  std::map<ClientId, std::size_t> last;  // accepted commit
  for (std::size_t i = 0; i < state_.feedback.size(); ++i) {
    if (state_.feedback[i].accepted) last[state_.feedback[i].client] = i;
  }
  std::vector<std::pair<ClientId, ClientRecord>> written;
  for (std::size_t b = 0; b < outcomes.size(); ++b) {
    for (std::size_t k = 0; k < outcomes[b].written.size(); ++k) {
      const ClientId client = mine_[b].participations[k].client;
      if (!outcomes[b].accepted[k] || last.at(client) != outcomes[b].positions[k]) continue;
      written.emplace_back(client, std::move(outcomes[b].written[k]));
    }
  }
  memory.store(written, comm);
}

void RoundTraining::server_side(Aggregate& group, FederationState& state, ServerContext context) const {
  if (federation_.sums_words()) {
    for (at::Tensor& mean : group.means) mean = federation_.codec->decode_sum(std::move(mean));
  }
  for (std::size_t s = federation_.stages.size(); s-- > 0;) {
    context.part = 1 + static_cast<std::int64_t>(s);
    federation_.stages[s]->server_side(state.stages[s], group, stage_channels_[s], context);
  }
}

}  // namespace shoal
