// FedAsync: the server mixes each client's model into its current one, x <- (1 - alpha s) x + alpha s x_k, where s is
// the planner's weight for the update's staleness. Xie, Koyejo and Gupta 2019 (arXiv 1903.03934), algorithm 1. Clients
// minimize their own loss plus a pull to the model that they downloaded. Made for planner = "fed_async"; if several
// clients are committed in one step, the server mixes in the mean of their models.

#include <ATen/ops/ones.h>

#include "sim/round/strategy.hpp"

namespace shoal::algorithms {
namespace {

class FedAsync final : public Strategy {
 public:
  explicit FedAsync(const Settings& s)
      : mixing_(s.number("alpha", 0.6, "share of a client's model in the new server model, without staleness",
                         between(0, 1))),
        pull_(s.number("pull", 0, "strength of the pull to the downloaded model, rho in the paper", at_least(0))) {}

  // The aggregate has the means of s x_k and of s, so one client and many use the same formula.
  std::vector<Channel> channels(const ParameterLayout& layout) const override {
    return {{.name = "model", .size = layout.size, .weighting = Weighting::uniform},
            {.name = "share", .size = 1, .weighting = Weighting::uniform, .needs_mean = true}};
  }
  UpdateBlock client_update(const Message& server, ClientBlock& clients) const override {
    const LocalResult fit = clients.train(server.params(), {.pull = pull_, .anchor = server.params()});
    const auto options = at::TensorOptions(fit.delta.type());
    return {{fit.delta.dense() + server.params(), at::ones({clients.count(), 1}, options)}};
  }
  void server_update(State& state, std::span<const Aggregate> groups, const ServerContext&) const override {
    const at::Tensor change = groups[0].mean(0) - groups[0].mean(1) * state.params();
    state.params().add_(change, mixing_);
  }

 private:
  double mixing_, pull_;
};

}  // namespace

std::unique_ptr<Strategy> fed_async(Settings& settings) { return std::make_unique<FedAsync>(settings); }

}  // namespace shoal::algorithms
