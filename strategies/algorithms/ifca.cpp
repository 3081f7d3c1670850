// IFCA: k models for clients in k unknown clusters. All models are sent; each client trains the one whose
// loss on its own training examples is smallest, and the mean of these changes moves that model. Ghosh, Chung, Yin and
// Ramchandran, NeurIPS 2020 (arXiv 2006.04088), algorithm 1 with model averaging. The models start from the task's
// initial parameters plus normal noise of standard deviation `spread`, since equal models could not part; the paper
// draws each initialisation anew. The first model, which has no noise, is the one that is evaluated on the server's
// examples. Clients use the best of the models, which is what their personal accuracy shows.
// Try: strategy.clusters = 3

#include <ATen/ops/empty.h>
#include <ATen/ops/stack.h>

#include <limits>

#include "sim/round/strategy.hpp"

namespace shoal::algorithms {
namespace {

std::string name_of(std::int64_t cluster) { return cluster == 0 ? "params" : fmt::format("model/{}", cluster); }

class Ifca final : public Strategy {
 public:
  explicit Ifca(const Settings& s)
      : clusters_(s.integer("clusters", 2, "number of models, k in the paper", between(1, 1000))),
        spread_(
            s.number("spread", 0.1, "standard deviation of the noise that sets the initial models apart", at_least(0))),
        rate_(s.number("rate", 1, "server learning rate", server_rate())) {}

  double operations(const ClientWork& work, const LocalSettings& local, double fraction) const override {
    const double forward = clusters_ > 1 ? work.examples * work.flops_per_example / 3 : 0;
    return local_flops(work, local, fraction) + clusters_ * forward;
  }
  std::int32_t groups(const Task&) const override { return clusters_; }
  void init(State& state, const ServerContext& context) const override {
    for (std::int64_t j = 1; j < clusters_; ++j) {
      at::Tensor noise = at::empty({context.layout.size}, at::kDouble);
      RandomStream draws(context.key, j);
      for (double& value : std::span(noise.mutable_data_ptr<double>(), noise.numel())) value = spread_ * draws.normal();
      state.put(name_of(j), state.params() + noise.to(context.layout.options()));
    }
  }
  void broadcast(const State& state, std::int32_t, Message& message) const override {
    for (std::int64_t j = 0; j < clusters_; ++j) message.tensors.emplace(name_of(j), state.tensor(name_of(j)));
  }

  UpdateBlock client_update(const Message& server, ClientBlock& clients) const override {
    std::vector<std::int32_t> best = best_models(server, clients);
    return {{clients.train(chosen(server, best)).delta}, {}, std::move(best)};
  }
  void server_update(State& state, std::span<const Aggregate> groups, const ServerContext&) const override {
    for (std::int64_t j = 0; j < clusters_; ++j) state.tensor(name_of(j)).add_(groups[j].mean(), rate_);
  }

  bool is_personal() const override { return true; }
  at::Tensor personal(const Message& server, ClientBlock& clients) const override {
    return chosen(server, best_models(server, clients));
  }

 private:
  // The model with the smallest loss of each client; the first of those that are equal.
  std::vector<std::int32_t> best_models(const Message& server, ClientBlock& clients) const {
    std::vector<std::int32_t> best(clients.count(), 0);
    if (clusters_ == 1) return best;
    std::vector<double> least(clients.count(), std::numeric_limits<double>::infinity());
    for (std::int64_t j = 0; j < clusters_; ++j) {
      const std::vector<Evaluation> seen = clients.evaluate(server.tensors.at(name_of(j)), "train");
      for (std::size_t k = 0; k < seen.size(); ++k) {
        const double loss = seen[k].mean_loss();
        if (!(loss < least[k])) continue;
        least[k] = loss;
        best[k] = j;
      }
    }
    return best;
  }
  // The models as rows.
  static at::Tensor chosen(const Message& server, std::span<const std::int32_t> best) {
    std::vector<at::Tensor> models;
    for (const std::int32_t j : best) models.push_back(server.tensors.at(name_of(j)));
    return at::stack(models);
  }

  std::int64_t clusters_;
  double spread_, rate_;
};

}  // namespace

std::unique_ptr<Strategy> ifca(Settings& settings) { return std::make_unique<Ifca>(settings); }

}  // namespace shoal::algorithms
