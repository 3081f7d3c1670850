#include "sim/round/personal.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <limits>
#include <map>

namespace shoal {
namespace {

constexpr double not_a_number = std::numeric_limits<double>::quiet_NaN();

std::vector<ClientId> evaluated_clients(const Federation& federation, std::int64_t most) {
  const std::int64_t clients = federation.task->clients();
  const KeyedPermutation order(random_key(federation.seed, "round/personal_evaluation"), 0, clients);
  std::vector<ClientId> chosen;
  for (std::int64_t i = 0; i < clients && std::ssize(chosen) < most; ++i) {
    const ClientId client{static_cast<std::int64_t>(order(i))};
    if (federation.task->work(client).examples > 0) chosen.push_back(client);
  }
  return chosen;
}

Evaluation evaluate_client(const Federation& federation, const FederationState& state, const Message& message,
                           const LocalSettings& local, std::string_view section, ClientId client, std::string_view set,
                           Trainer& trainer) {
  // An evaluation has no participation id, so the round's number serves as one. A strategy that trains here may
  // therefore repeat the random draws of this client's real participation with that id.
  const Participation visit{.id = ParticipationId{state.round},
                            .client = client,
                            .version = state.version,
                            .group = message.group,
                            .variant = federation.task->variant(client)};
  const auto kept = state.memory.records().find(client);
  ClientRecord record(state.memory.slots().size());
  if (kept != state.memory.records().end()) record = kept->second;
  ClientBlock block(std::span(&visit, 1), local, *federation.task, trainer, state.memory.slots(), {std::move(record)},
                    section);
  const at::Tensor model = federation.strategy->personal(message, block);
  if (federation.strategy->has_predictions()) {
    ExampleOutputs seen = block.outputs(model, set);
    seen.scores = federation.strategy->predict(message, block, seen);
    return seen.evaluation(0);
  }
  return trainer.evaluate_own(model.dim() == 2 ? model[0] : model, client, set);
}

}  // namespace

PersonalEvaluation evaluate_personal(const Federation& federation, const FederationState& state, std::string_view set,
                                     std::int64_t most, Communicator& comm, Trainers& trainers) {
  const std::vector<ClientId> clients = evaluated_clients(federation, most);
  std::vector<std::size_t> mine;
  for (std::size_t i = 0; i < clients.size(); ++i) {
    if (state.memory.home(clients[i]) == comm.rank()) mine.push_back(i);
  }
  std::map<std::int32_t, Message> messages;  // for the groups that these clients are in
  std::vector<const Message*> own;
  for (const std::size_t i : mine) {
    const std::int32_t group =
        federation.strategy->group_of(state.strategy(), clients[i], federation.task->variant(clients[i]));
    if (!messages.contains(group)) messages.emplace(group, make_message(federation, state, group));
    own.push_back(&messages.at(group));
  }
  const LocalSettings local = federation.local->at(std::max<std::int64_t>(state.round, 1));
  const std::string section = federation.sections().front().name;
  // Examples, correct answers and the bits of the mean loss of each client, from the rank that has evaluated it.
  std::vector<std::int64_t> results(3 * clients.size(), 0);
  trainers.for_each(mine.size(), [&](int, std::size_t i, Trainer& trainer) {
    const Evaluation seen = evaluate_client(federation, state, *own[i], local, section, clients[mine[i]], set, trainer);
    const auto loss = std::bit_cast<std::int64_t>(seen.mean_loss());
    std::ranges::copy(std::array{seen.examples, seen.correct, loss}, &results[3 * mine[i]]);
  });
  comm.sum(results);

  PersonalEvaluation total{.accuracy = not_a_number, .accuracy_p10 = not_a_number, .loss = not_a_number, .each = {}};
  std::vector<double> accuracies;
  double accuracy = 0, loss = 0;  // every rank adds them in the order of the permutation
  for (std::size_t i = 0; i < results.size(); i += 3) {
    const Evaluation one{.examples = results[i], .correct = results[i + 1]};
    if (one.examples == 0) continue;
    ++total.clients;
    const auto mean_loss = std::bit_cast<double>(results[i + 2]);
    loss += mean_loss;
    total.each.push_back({clients[i / 3], one.examples, one.correct < 0 ? not_a_number : one.accuracy(), mean_loss});
    if (one.correct < 0) continue;
    accuracies.push_back(one.accuracy());
    accuracy += one.accuracy();
  }
  if (total.clients > 0) total.loss = loss / total.clients;
  if (accuracies.empty()) return total;
  total.accuracy = accuracy / accuracies.size();
  std::ranges::sort(accuracies);
  total.accuracy_p10 = accuracies[(accuracies.size() + 9) / 10 - 1];
  return total;
}

Table personal_table(const PersonalEvaluation& evaluation, std::int64_t round) {
  Table table{{{"round", FieldType::integer, "count from 1"},
               {"client", FieldType::integer, "id"},
               {"examples", FieldType::integer, "the client's own, of the set that is evaluated"},
               {"accuracy", FieldType::real, "of the client's own model, NaN where the task has none"},
               {"loss", FieldType::real, "mean over examples"}}};
  for (const ClientEvaluation& one : evaluation.each) {
    table.add({round, value(one.client), one.examples, one.accuracy, one.loss});
  }
  return table;
}

}  // namespace shoal
