#include "sim/round/client_side.hpp"

#include <ATen/ops/cat.h>
#include <ATen/ops/empty.h>

#include <algorithm>
#include <cmath>

#include "sim/round/federation.hpp"

namespace shoal {
namespace {

bool is_finite(const ClientRecord& record) {
  return std::ranges::all_of(
      record, [](const at::Tensor& values) { return !values.defined() || std::isfinite(Rows(values).bounds()[0]); });
}

// Rejects clients with a value that is not finite or beyond the bound.
void reject_beyond(double bound, const Rows& rows, std::vector<ClientFigures>& figures) {
  const std::vector<double> largest = rows.bounds();
  for (std::size_t k = 0; k < figures.size(); ++k) {
    if (!(largest[k] <= bound)) figures[k].accepted = false;  // NaN fails the comparison too
  }
}

// Replaces the rows of rejected clients by zeros, since codecs need not cope with values that are not finite.
void clear_rejected(Rows& rows, std::span<const ClientFigures> figures) {
  if (std::ranges::all_of(figures, &ClientFigures::accepted)) return;
  rows = Rows(rows.dense()).kept();
  for (std::size_t k = 0; k < figures.size(); ++k) {
    if (!figures[k].accepted) rows.stored(k).zero_();
  }
}

// A stage that sends what it knows of a group needs to know the group before the download.
void refuse_sending_stages(const Message& message, std::span<const PartKey> stages) {
  for (const auto& [name, tensor] : message.tensors) {
    for (const PartKey& stage : stages) {
      if (!name.starts_with(scoped(stage.section, ""))) continue;
      user_error(
          "'{}' sends tensors to the clients of each group, and the clients of [strategy] choose their group after the "
          "download. Leave out the stage, or use another strategy.",
          stage.section);
    }
  }
}

void require_counted(const Encoded& sent, const Wire& wire, std::size_t clients) {
  ensure(sent.words.count() == std::ssize(sent.index_bytes) && sent.words.width() == wire.channel.size,
         "a codec has made words of another shape than it declared for channel '{}'", wire.channel.name);
  ensure(sent.index_bytes.size() == clients && sent.value_bytes.size() == clients,
         "a codec has not counted every client's bytes");
}

}  // namespace

ClientSide::ClientSide(const Federation& federation)
    : federation_(federation),
      forms_(federation.task->variants()),
      strategy_channels_(federation.strategy->channels(federation.layout()).size()),
      memory_(federation.memory()),
      expected_cohort_(federation.with_composition(
          [&](const Composition& all) { return federation.planner->sampling(all).expected; })) {
  for (std::int32_t g = 0; g < federation.groups(); ++g) {
    variant_of_.push_back(federation.strategy->variant_of(g));
    Form& form = forms_.at(variant_of_.back());
    if (!form.wires.empty()) continue;
    form.channels = federation.channels(g);
    form.wires = federation.wires(form.channels, g);
    form.bytes_up = federation.aggregator->bytes_up(form.wires.back(), expected_cohort_);
    form.expected_bytes_up = form.bytes_up.value_or(expected_bytes(form.wires.back()));
  }
  for (const auto& [section, part] : federation.sections()) {
    if (part == federation.strategy.get()) strategy_section_ = section;
    if (const auto* stage = dynamic_cast<const Stage*>(part)) {
      if (stage->works_in_ring()) ring_.push_back(keys_of(stages_.size(), section));
      stages_.push_back({section, random_key(federation.seed, section)});
    }
    if (part == federation.attack.get()) attack_ = {section, random_key(federation.seed, section)};
    if (const auto* codec = dynamic_cast<const Codec*>(part)) {
      codecs_.push_back(keys_of(codecs_.size(), section));
      changes_words_ |= !codec->changes_nothing();
    }
  }
}

ClientSide::ChannelKeys ClientSide::keys_of(std::size_t place, const std::string& section) const {
  ChannelKeys own{.place = place, .section = section, .keys = {}};
  for (const Channel& channel : channels()) {
    own.keys.push_back(random_key(federation_.seed, scoped(section, channel.name)));
  }
  return own;
}

const Codec& ClientSide::codec(std::size_t i) const { return *federation_.codecs[i]; }

TrainedBlock ClientSide::train(const Message& message, std::span<const Participation> block,
                               std::vector<ClientRecord> memory, Trainer& trainer) const {
  const LocalSettings local = federation_.local->at(block.front().round);
  ClientBlock clients(block, local, *federation_.task, trainer, memory_, std::move(memory), strategy_section_);
  UpdateBlock update = update_of(message, clients);

  if (federation_.attack != nullptr) {
    clients.open_memory(attack_.section);
    corrupt(*federation_.attack, message, clients, update, context(attack_.section, attack_.key, block));
  }

  TrainedBlock done{.figures = clients.last().figures, .weight = std::move(update.weight)};
  for (ClientFigures& client : done.figures) client.accepted = true;
  done.groups = std::move(update.groups);
  encode(message, clients, update, done);
  done.written = clients.take_written();
  for (std::size_t k = 0; k < done.figures.size(); ++k) {
    // A client whose memory holds a value that is not finite could never recover.
    done.figures[k].accepted &= is_finite(done.written[k]);
  }
  return done;
}

at::Tensor ClientSide::train_reference(const Message& message, const Participation& server, Trainer& trainer) const {
  const LocalSettings local = federation_.local->at(server.round);
  std::vector<ClientRecord> nothing(1, ClientRecord(memory_.size()));
  ClientBlock only(std::span(&server, 1), local, *federation_.task, trainer, memory_, std::move(nothing),
                   strategy_section_);
  UpdateBlock update = update_of(message, only);
  const std::vector<Channel>& all = channels(server.group);
  std::vector<at::Tensor> values;
  for (std::size_t c = 0; c < all.size(); ++c) {
    if (!all[c].needs_mean) values.push_back(update.channels[c].dense()[0]);
  }
  const at::TensorOptions options = federation_.task->layout().options().device(at::kCPU);
  return values.empty() ? at::empty({0}, options) : at::cat(values).to(options);
}

// Local training and stages.
UpdateBlock ClientSide::update_of(const Message& message, ClientBlock& clients) const {
  const std::span<const Participation> block = clients.participations();
  UpdateBlock update = federation_.strategy->client_update(message, clients);
  ensure(std::ssize(clients.last().figures) == clients.count(),
         "a strategy returned updates of clients that it did not train");
  ensure(update.groups.empty() || std::ssize(update.groups) == clients.count(),
         "a strategy has chosen groups for {} of {} clients", update.groups.size(), clients.count());
  for (const std::int32_t group : update.groups) {
    ensure(group >= 0 && group < std::ssize(variant_of_) && variant_of_[group] == block.front().variant,
           "a client of variant {} has chosen group {} of {}", block.front().variant, group, variant_of_.size());
  }
  if (!update.groups.empty() && variant_of_.size() > 1) refuse_sending_stages(message, stages_);
  update.channels.resize(channels().size());
  for (std::size_t s = 0; s < stages_.size(); ++s) {
    clients.open_memory(stages_[s].section);
    federation_.stages[s]->client_side(message, clients, update, context(stages_[s].section, stages_[s].key, block));
  }
  return update;
}

PartContext ClientSide::context(const std::string& section, RandomKey key, std::span<const Participation> block) const {
  return {.layout = federation_.task->layout(block.front().variant),
          .channels = channels(block.front().group),
          .block = block,
          .section = section,
          .key = key,
          .expected_cohort = expected_cohort_};
}

// Encodes every channel that does not need a mean, counts the bytes of all and rejects clients whose values exceed the
// channel's bound.
void ClientSide::encode(const Message& message, ClientBlock& clients, UpdateBlock& update, TrainedBlock& done) const {
  const std::size_t count = done.figures.size();
  const Form& own_form = form(clients.participations().front().group);
  const std::vector<Wire>& summed = own_form.wires.back();
  for (std::size_t c = 0; c < own_form.channels.size(); ++c) {
    const Channel& channel = own_form.channels[c];
    Rows& rows = update.channels[c];
    ensure(rows.count() == clients.count() && rows.width() == channel.size,
           "channel '{}' was declared with {} values per client and filled with {}", channel.name, channel.size,
           rows.width());
    reject_beyond(*channel.bound, rows, done.figures);
    const std::int64_t bytes = rows.width() * at::elementSize(rows.type());
    Encoded sent{.index_bytes = std::vector<std::int64_t>(count, 0),
                 .value_bytes = std::vector<std::int64_t>(count, bytes)};
    const bool changes = changes_words_ && !channel.needs_mean;
    if (changes) clear_rejected(rows, done.figures);
    sent.words = std::move(rows);
    for (std::size_t i = 0; changes && i < codecs_.size(); ++i) {
      clients.open_memory(codecs_[i].section);
      const PartContext facts = context(codecs_[i].section, codecs_[i].keys[c], clients.participations());
      sent = codec(i).encode(std::move(sent), own_form.wires[i + 1][c], message, clients, facts);
      require_counted(sent, own_form.wires[i + 1][c], count);
    }
    if (changes) reject_beyond(*summed[c].channel.bound, sent.words, done.figures);
    for (std::size_t k = 0; k < count; ++k) {
      const std::int64_t own = sent.index_bytes[k] + sent.value_bytes[k];
      ensure(own <= summed[c].largest_bytes, "a client sent {} bytes of channel '{}', which declares at most {}", own,
             channel.name, summed[c].largest_bytes);
      done.figures[k].bytes_up += own;
    }
    done.channels.push_back(std::move(sent.words));
  }
  if (!own_form.bytes_up) return;
  for (ClientFigures& client : done.figures) client.bytes_up = *own_form.bytes_up;
}

Contribution ClientSide::contribute(const AggregationPlan& plan, TrainedBlock& done,
                                    std::span<const Participation> block, std::span<const double> factors) const {
  Contribution contribution{.channels = std::move(done.channels)};
  const std::vector<Channel>& all = channels(block.front().group);
  for (std::size_t c = 0; c < all.size(); ++c) {
    const Channel& channel = all[c];
    const double unit = plan.scales[c].weight_unit;
    const bool by_own = c < strategy_channels_ && plan.divisor == Divisor::own_weights;
    std::vector<std::int64_t> weights(block.size());
    std::vector<std::int64_t> shares(block.size());
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
      weights[k] = std::llround(own * factors[k] / unit);
      shares[k] = by_own ? std::llround(own / unit) : weights[k];
    }
    contribution.weights.push_back(std::move(weights));
    contribution.shares.push_back(std::move(shares));
  }
  for (const ClientFigures& client : done.figures) contribution.accepted.push_back(client.accepted);
  contribution.block.assign(block.begin(), block.end());
  if (variant_of_.size() > 1) {
    contribution.groups = done.groups;
    for (std::size_t k = contribution.groups.size(); k < block.size(); ++k) {
      contribution.groups.push_back(block[k].group);
    }
  }
  if (!ring_.empty()) add_in_ring(plan, contribution, block);
  return contribution;
}

// Quantizes the channels that do not need a mean, with their weights, and lets the stages work on the integers.
void ClientSide::add_in_ring(const AggregationPlan& plan, Contribution& contribution,
                             std::span<const Participation> block) const {
  const std::vector<Channel>& all = channels(block.front().group);
  for (std::size_t c = 0; c < all.size(); ++c) {
    if (all[c].needs_mean) continue;
    const double unit = plan.scales[c].weight_unit;
    std::vector<std::int64_t>& weights = contribution.weights[c];
    std::vector<std::int64_t> whole(block.size());
    std::vector<double> factors(block.size(), 1.0);
    for (std::size_t k = 0; k < block.size(); ++k) {
      if (!contribution.accepted[k]) continue;  // its words are zeros, and collectors leave it out
      whole[k] = unit == 1 ? weights[k] : 1;
      if (unit != 1) factors[k] = weights[k] * unit;
    }
    Rows& rows = contribution.channels[c];
    if (unit != 1) {
      rows = rows.integers() == nullptr ? rows.kept() : Rows(rows.dense());
      rows.scale(factors);
    }
    const Rows quantized = rows.words({.exponent = plan.scales[c].exponent}, whole);
    WordRows words = *quantized.integers();
    for (const ChannelKeys& stage : ring_) {
      federation_.stages[stage.place]->in_ring(wires(block.front().group)[c], words,
                                               context(stage.section, stage.keys[c], block));
    }
    rows = Rows(std::move(words));
    const std::int64_t one = std::llround(1 / unit);
    std::ranges::fill(weights, one);
  }
}

}  // namespace shoal
