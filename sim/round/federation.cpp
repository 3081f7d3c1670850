#include "sim/round/federation.hpp"

#include <set>

#include "sim/digest.hpp"

namespace shoal {
namespace {

ServerContext context_before_rounds(const Federation& federation) {
  const Task& task = *federation.task;
  return {task.layout(), task.clients_with_examples(), 0, random_key(federation.seed, "stage/noise")};
}

// Clients find a stage's values by their name in the message, so no two stages may use the same name.
void check_broadcasts(const Federation& federation) {
  std::set<std::string> names;
  for (const auto& stage : federation.stages) {
    State state;
    stage->init(state, context_before_rounds(federation));
    Message message;
    stage->broadcast(state, message);
    for (const auto& [name, tensor] : message.tensors) {
      if (!names.insert(name).second) user_error("[stages] two stages broadcast a '{}'. Remove one.", name);
    }
  }
}

}  // namespace

std::vector<Channel> Federation::channels() const {
  const ParameterLayout& layout = task->layout();
  std::vector<Channel> all = strategy->channels(layout);
  if (sums.weighting) {
    for (Channel& channel : all) {
      if (channel.weighting != Weighting::real) channel.weighting = *sums.weighting;
    }
  }
  for (const auto& stage : stages) {
    for (Channel& channel : stage->channels(layout)) all.push_back(std::move(channel));
  }
  for (Channel& channel : all) {
    if (!channel.bound) channel.bound = sums.bound;
  }
  return all;
}

void Federation::check() const {
  strategy->check(local->at(1));
  check_broadcasts(*this);
  for (const Channel& channel : channels()) {
    if (!channel.needs_mean || aggregator->gives_means()) continue;
    user_error(
        "[aggregator] gives no mean, and the channel '{}' needs one. Use another aggregator, or leave out the strategy "
        "or stage that declares this channel.",
        channel.name);
  }
  if (aggregator->needs_rows() && !codec->decodes_rows()) {
    user_error(
        "[aggregator] compares the clients' updates, and [codec] can only decode their sum. Use an aggregator that "
        "adds updates or a codec that decodes each of them.");
  }
}

Message make_message(const Federation& federation, const FederationState& state) {
  Message message = federation.strategy->broadcast(state.strategy);
  for (std::size_t s = 0; s < state.stages.size(); ++s) federation.stages[s]->broadcast(state.stages[s], message);
  message.version = state.version;
  return message;
}

FederationState::FederationState(const Federation& federation, int ranks, int rank)
    : stages(federation.stages.size()), memory(federation.strategy->memory(federation.task->layout()), ranks, rank) {
  const Task& task = *federation.task;
  strategy.put("params", task.initial_parameters(random_key(federation.seed, "model/initial_parameters")));
  const ServerContext context = context_before_rounds(federation);
  federation.strategy->init(strategy, context);
  for (std::size_t s = 0; s < stages.size(); ++s) federation.stages[s]->init(stages[s], context);
}

const Message& newest_message(const Federation& federation, FederationState& state) {
  const auto found = state.messages.find(state.version);
  if (found != state.messages.end()) return found->second;
  return state.messages.emplace(state.version, make_message(federation, state)).first->second;
}

std::int64_t expected_bytes(std::span<const Channel> channels, const Federation& federation) {
  std::int64_t bytes = 0;
  for (const Channel& channel : channels) {
    bytes += federation.codec->expected_bytes(channel.size, federation.task->layout().type);
  }
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
