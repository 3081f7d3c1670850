// FedFomo: every client has a model of its own. It downloads the models of a few others, moves towards those that do
// better on its examples, and trains from there:
//   theta_i + sum_j w_j (theta_j - theta_i),  w_j ~ max(0, L_i(theta_i) - L_i(theta_j)) / |theta_j - theta_i|,
// with weights that add up to 1 (0 if no model does better). Zhang, Sapra, Fidler, Yeung and Alvarez, ICLR 2021 (arXiv
// 2012.08565), equations 3 to 5. L_i is the loss on the validation examples that the client holds out, or on its
// training examples if it holds out none. The server adds these weights (not the raw ones, which may be negative and
// have no bound) to the client's affinities to the others and sends it the models with the largest; with probability
// `exploration` a random one takes a place. The initial model is known to all clients. The mean of the last round's
// models is what is evaluated on the server's examples.
//
// Refused with aggregator median, exact_sum, float_sum: does not give them
// Refused with every rule: updates of single clients
// Refused with count_sketch: can only decode their sum
// Refused with gaussian: uses more of them than that
// Refused with top_k_download: adds the mean update
// Refused with cyclic, deadline, planner fed_async, fed_buff, oort, over_selection: does not wait for all
// Refused with periodic, power_of_choice, refl, stragglers, tifl: does not wait for all

#include <ATen/ops/stack.h>
#include <ATen/ops/zeros.h>
#include <ATen/ops/zeros_like.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "sim/round/server_rows.hpp"
#include "sim/round/strategy.hpp"

namespace shoal::algorithms {
namespace {

constexpr std::int64_t most_clients = 10'000;

class FedFomo final : public Strategy {
 public:
  explicit FedFomo(const Settings& s)
      : models_(s.integer("models", 5, "number of other clients' models that a client downloads", between(1, 1000))),
        exploration_(s.number("exploration", 0.3, "probability that a random model takes a place", between(0, 1))) {}

  void check(const Composition& all) const override {
    if (all.task.clients() <= most_clients) return;
    user_error("[strategy] fed_fomo with {} clients (the server keeps an affinity for each pair). Use at most {}.",
               all.task.clients(), most_clients);
  }
  double operations(const ClientWork& work, const LocalSettings& local, double fraction) const override {
    return local_flops(work, local, fraction) + (1 + models_) * work.examples * work.flops_per_example / 3;
  }
  std::vector<Channel> channels(const ParameterLayout& layout) const override {
    return {{.name = "model", .size = layout.size, .weighting = Weighting::uniform},
            {.name = "weights", .size = models_, .weighting = Weighting::uniform}};
  }
  std::vector<MemorySlot> memory(const ParameterLayout& layout, std::span<const Channel>) const override {
    return {{"personal", layout.size, layout.type}};
  }
  bool wants_rows() const override { return true; }
  std::vector<MemorySlot> rows(const ParameterLayout& layout) const override {
    return {{"model", layout.size, layout.type}};
  }
  void init(State& state, const ServerContext& context) const override {
    state.put("initial", state.params().clone());
    state.put("affinities", at::zeros({context.population, context.population}, at::kDouble));
    state.put("known", at::zeros({context.population}, at::kLong));  // 1: the server has the client's model
    state.integer("key") = static_cast<std::int64_t>(RandomStream(context.key, 0).below(std::uint64_t{1} << 62));
  }
  void broadcast(const State& state, std::int32_t group, Message& message) const override {
    Strategy::broadcast(state, group, message);
    message.tensors.emplace("initial", state.tensor("initial"));
    message.wire_bytes = 0;  // clients get models of others in its place
  }
  bool sends_others() const override { return true; }
  std::vector<ClientId> sends(const State& state, ClientId client) const override {
    std::vector<std::int64_t> others = others_of(state, client);
    RandomStream draws(random_key(state.integer("key"), "strategy/fed_fomo"), value(client), state.integer("round"));
    std::vector<ClientId> sent;
    for (auto next = others.begin(); next != others.end() && std::ssize(sent) < models_; ++next) {
      if (draws.uniform() < exploration_) {
        const auto chosen = next + static_cast<std::ptrdiff_t>(draws.below(others.end() - next));
        std::rotate(next, chosen, chosen + 1);
      }
      sent.push_back(ClientId{*next});
    }
    return sent;
  }

  UpdateBlock client_update(const Message& server, ClientBlock& clients) const override {
    const at::Tensor own = clients.recall("personal", server.tensors.at("initial"));
    const at::Tensor weights = at::zeros({clients.count(), models_}, at::kDouble);
    const at::Tensor start = own + mixed_change(server, clients, own, weights);
    const at::Tensor model = start + clients.train(start).delta.dense();
    clients.remember("personal", model);
    return {{Rows(model), Rows(weights.to(model.options()))}};
  }
  void server_update(State& state, std::span<const Aggregate> groups, const ServerContext& context) const override {
    if (groups[0].clients == 0) return;
    state.params().copy_(groups[0].mean());
    RowSet updates = context.rows->updates();
    const at::Tensor weights = updates.channel(1).to(at::kDouble);
    double* affinities = state.tensor("affinities").mutable_data_ptr<double>();
    for (std::int64_t i = 0; i < updates.count(); ++i) {
      const ClientId client = updates.clients()[i];
      const double* own = weights.const_data_ptr<double>() + i * models_;
      for (const ClientId other : sends(state, client)) {
        affinities[value(client) * context.population + value(other)] += *own++;
      }
    }
    for (const ClientId client : updates.clients()) state.tensor("known")[value(client)] = 1;
    ++state.integer("round");
    context.rows->keep("model", std::move(updates));
  }

  bool is_personal() const override { return true; }
  at::Tensor personal(const Message& server, ClientBlock& clients) const override {
    return clients.recall("personal", server.tensors.at("initial"));
  }

 private:
  // The clients whose models the server has, but not this one, by its affinity to them; the lowest of those that are
  // equal first.
  static std::vector<std::int64_t> others_of(const State& state, ClientId client) {
    const at::Tensor& known = state.tensor("known");
    const auto* has = known.const_data_ptr<std::int64_t>();
    const double* affinity = state.tensor("affinities").const_data_ptr<double>() + value(client) * known.numel();
    std::vector<std::int64_t> others;
    for (std::int64_t j = 0; j < known.numel(); ++j) {
      if (has[j] == 1 && j != value(client)) others.push_back(j);
    }
    std::ranges::stable_sort(others, std::greater(), [&](std::int64_t j) { return affinity[j]; });
    return others;
  }

  // The clients' moves towards the models that they have downloaded, [K, d]; fills in the weights of these.
  at::Tensor mixed_change(const Message& server, ClientBlock& clients, const at::Tensor& own,
                          const at::Tensor& weights) const {
    const std::vector<double> before = losses(clients, own);
    at::Tensor change = at::zeros_like(own);
    std::vector<at::Tensor> differences;
    for (std::int64_t m = 0; m < models_; ++m) {
      std::vector<at::Tensor> models;
      for (std::int64_t k = 0; k < clients.count(); ++k) models.push_back(received(server, clients, k, m, own[k]));
      const at::Tensor theirs = at::stack(models);
      const std::vector<double> after = losses(clients, theirs);
      differences.push_back(theirs - own);
      for (std::int64_t k = 0; k < clients.count(); ++k) {
        const double distance = differences.back()[k].norm().item<double>();
        const double gain = before[k] - after[k];
        if (distance > 0 && gain > 0) weights[k][m] = std::min(gain / distance, 1e100);
      }
    }
    weights.div_(weights.sum(1, /*keepdim=*/true).clamp_min(1e-300));  // 0 where all are
    for (std::int64_t m = 0; m < models_; ++m) {
      change += weights.select(1, m).unsqueeze(1).to(own.options()) * differences[m];
    }
    return change;
  }
  // Each client's mean loss on its validation examples, or on its training examples if it has held out none.
  static std::vector<double> losses(ClientBlock& clients, const at::Tensor& params) {
    std::vector<Evaluation> seen = clients.evaluate(params, "validation");
    const auto has_none = [](const Evaluation& of) { return of.examples == 0; };
    if (std::ranges::any_of(seen, has_none)) {
      const std::vector<Evaluation> trained = clients.evaluate(params, "train");
      for (std::size_t k = 0; k < seen.size(); ++k) {
        if (has_none(seen[k])) seen[k] = trained[k];
      }
    }
    std::vector<double> means;
    for (const Evaluation& of : seen) {
      // A model whose loss is not a number is as bad as can be.
      means.push_back(std::isnan(of.mean_loss()) ? std::numeric_limits<double>::infinity() : of.mean_loss());
    }
    return means;
  }
  // The m-th model that client k has downloaded, or its own if it has downloaded fewer.
  static at::Tensor received(const Message& server, const ClientBlock& clients, std::int64_t k, std::int64_t m,
                             const at::Tensor& own) {
    const auto found = server.rows.find(clients.participations()[k].client);
    return found != server.rows.end() && m < std::ssize(found->second) ? found->second[m].rows[0] : own;
  }

  std::int64_t models_;
  double exploration_;
};

}  // namespace

std::unique_ptr<Strategy> fed_fomo(Settings& settings) { return std::make_unique<FedFomo>(settings); }

}  // namespace shoal::algorithms
