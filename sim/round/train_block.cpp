#include "sim/round/train_block.hpp"

#include <cmath>

#include "sim/round/plan_sums.hpp"

namespace shoal {
namespace {

bool is_finite(const ClientRecord& record) {
  return std::ranges::all_of(
      record, [](const at::Tensor& values) { return !values.defined() || std::isfinite(Rows(values).bounds()[0]); });
}

}  // namespace

RoundTraining::RoundTraining(const Federation& federation, const FederationState& state, const PlannedRound& round,
                             Communicator& comm, int lanes)
    : federation_(federation),
      state_(state),
      round_(round),
      sums_(plan_sums(round.channels, round.plan.commits, round.committed, *federation.task)) {
  const ParameterLayout& layout = federation.task->layout();
  strategy_channels_ = federation.strategy->channels(layout).size();
  for (auto& [section, part] : federation.sections()) {
    if (part == federation.strategy.get()) strategy_section_ = section;
    if (dynamic_cast<const Stage*>(part) != nullptr) {
      stage_keys_.push_back({section, random_key(federation.seed, section)});
    }
    if (part != federation.codec.get()) continue;
    for (const Channel& channel : sums_.channels) {
      codec_keys_.push_back({section, random_key(federation.seed, scoped(section, channel.name))});
    }
  }

  std::vector<TrainingBlock> blocks = blocks_of_round(round, state, *federation.task, lanes);
  const std::vector<Assignment> assignments = assign(blocks, state.ahead, comm.size());
  std::vector<std::vector<ClientRecord>> memory = fetch_memory(blocks, assignments, state.memory, comm);
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
  collector.add(weigh(block.block, done));
  return {.positions = block.block.positions, .figures = std::move(done.figures), .written = std::move(done.written)};
}

TrainedBlock RoundTraining::train_ahead(const OwnBlock& block, Trainer& trainer) const {
  TrainedBlock done = client_side(block, trainer);
  // The trainer's next client overwrites its buffers.
  for (Rows& rows : done.channels) rows = rows.kept();
  return done;
}

TrainedBlock RoundTraining::client_side(const OwnBlock& block, Trainer& trainer) const {
  const std::vector<Participation>& participations = block.participations();
  const Message& message = state_.messages.at(participations.front().version);
  const LocalSettings local = federation_.local->at(participations.front().round);
  ClientBlock clients(participations, local, *federation_.task, trainer, state_.memory, block.memory,
                      strategy_section_);
  UpdateBlock update = federation_.strategy->client_update(message, clients);
  ensure(std::ssize(clients.last().figures) == clients.count(),
         "a strategy returned updates of clients that it did not train");
  update.channels.resize(sums_.channels.size());
  for (std::size_t s = 0; s < federation_.stages.size(); ++s) {
    clients.open_memory(stage_keys_[s].section);
    federation_.stages[s]->client_side(message, clients, update, context(stage_keys_[s], participations));
  }

  TrainedBlock done{
      .figures = clients.last().figures, .weight = std::move(update.weight), .written = clients.take_written()};
  for (std::size_t k = 0; k < done.figures.size(); ++k) {
    // A client whose memory holds a value that is not finite could never recover.
    done.figures[k].accepted = is_finite(done.written[k]);
  }
  encode(update, participations, done);
  return done;
}

PartContext RoundTraining::context(const PartKey& part, std::span<const Participation> clients) const {
  return {.layout = federation_.task->layout(),
          .channels = sums_.channels,
          .block = clients,
          .section = part.section,
          .key = part.key,
          .expected_cohort = state_.expected_cohort};
}

// Encodes every channel that does not need a mean, counts the bytes of all and rejects clients whose values exceed the
// channel's bound.
void RoundTraining::encode(UpdateBlock& update, std::span<const Participation> clients, TrainedBlock& done) const {
  for (std::size_t c = 0; c < sums_.channels.size(); ++c) {
    const Channel& channel = sums_.channels[c];
    Rows& rows = update.channels[c];
    ensure(rows.count() == std::ssize(clients) && rows.width() == channel.size,
           "channel '{}' was declared with {} values per client and filled with {}", channel.name, channel.size,
           rows.width());
    std::vector<std::int64_t> bytes(clients.size(), rows.width() * at::elementSize(rows.type()));
    if (channel.needs_mean) {
      done.channels.push_back(std::move(rows));
    } else {
      const Encoded encoded = federation_.codec->encode(std::move(rows), context(codec_keys_[c], clients));
      ensure(encoded.bytes.size() == clients.size(), "a codec has not counted every client's bytes");
      bytes = encoded.bytes;
      done.channels.push_back(federation_.sums_words() ? encoded.words : federation_.codec->decode_rows(encoded));
    }
    const std::vector<double> bounds = done.channels.back().bounds();
    for (std::size_t k = 0; k < clients.size(); ++k) {
      done.figures[k].bytes_up += bytes[k];
      if (!(bounds[k] <= *channel.bound)) done.figures[k].accepted = false;  // NaN fails the comparison too
    }
  }
}

// Makes the block's contribution to the sums; its channels are moved there. Rejects clients whose weight is not finite
// or outside the channel's limits.
Contribution RoundTraining::weigh(const TrainingBlock& block, TrainedBlock& done) const {
  Contribution contribution{.channels = std::move(done.channels)};
  for (std::size_t c = 0; c < sums_.channels.size(); ++c) {
    const Channel& channel = sums_.channels[c];
    const double unit = sums_.scales[c].weight_unit;
    const bool by_own = c < strategy_channels_ && round_.plan.divisor == Divisor::own_weights;
    std::vector<std::int64_t> weights(block.positions.size());
    std::vector<std::int64_t> shares(block.positions.size());
    for (std::size_t k = 0; k < weights.size(); ++k) {
      double own = 1;
      if (channel.weighting == Weighting::examples) own = done.figures[k].examples;
      if (channel.weighting == Weighting::real) {
        ensure(k < done.weight.size(), "channel '{}' has no weight for a client", channel.name);
        own = done.weight[k];
        if (!(own >= 0 && own <= channel.largest_weight)) {  // NaN fails too
          done.figures[k].accepted = false;
          continue;
        }
      }
      weights[k] = std::llround(own * round_.plan.commits[block.positions[k]].weight / unit);
      shares[k] = by_own ? std::llround(own / unit) : weights[k];
    }
    contribution.weights.push_back(std::move(weights));
    contribution.shares.push_back(std::move(shares));
  }
  for (const ClientFigures& client : done.figures) contribution.accepted.push_back(client.accepted);
  for (const Participation& p : block.participations) contribution.clients.push_back(p.client);
  return contribution;
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
  for (std::size_t s = 0; s < federation_.stages.size(); ++s) {
    const std::string& section = stage_keys_[s].section;
    federation_.stages[s]->observe(state.section(section), server_context(federation_, state, sums_.channels, section));
  }
}

void RoundTraining::server_side(Aggregate& group, FederationState& state) const {
  for (std::size_t c = 0; c < group.means.size(); ++c) {
    if (!federation_.sums_words() || sums_.channels[c].needs_mean) continue;
    group.means[c] = federation_.codec->decode_sum(std::move(group.means[c]));
  }
  for (std::size_t s = federation_.stages.size(); s-- > 0;) {
    const std::string& section = stage_keys_[s].section;
    federation_.stages[s]->server_side(state.section(section), group,
                                       server_context(federation_, state, sums_.channels, section));
  }
}

}  // namespace shoal
