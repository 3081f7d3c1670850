// FedNTD, not-true distillation: clients keep what the server model knows about the labels that an example does not
// have. Local steps add beta tau^2 KL(p || q) to the loss, where p and q are the softmax over the scores of the other
// labels, divided by tau, of the server model and of the client's. Lee et al., NeurIPS 2022 (arXiv 2106.03097). A step
// costs a forward pass of the server model besides. beta = 0 is FedAvg.
// Try: task = "supervised", data = "optdigits", model = "mlp", partition = {name = "dirichlet", clients = 20}

#include <ATen/ops/arange.h>

#include "sim/round/strategy.hpp"

namespace shoal::algorithms {
namespace {

class FedNtd final : public Strategy {
 public:
  explicit FedNtd(const Settings& s)
      : beta_(s.number("beta", 1, "strength of the distillation", at_least(0))),
        tau_(s.number("tau", 1, "temperature of the distillation", positive())),
        rate_(s.number("rate", 1, "server learning rate", server_rate())) {}

  void check(const Composition& all) const override {
    if (all.task.has_outputs()) return;
    user_error("[strategy] fed_ntd compares the outputs of two models, and the task has none. Use [data] and [model].");
  }
  double operations(const ClientWork& work, const LocalSettings& local, double fraction) const override {
    return 4.0 / 3 * local_flops(work, local, fraction);  // a forward pass is a third of a training step
  }
  UpdateBlock client_update(const Message& server, ClientBlock& clients) const override {
    const auto distil = [this](const LossInputs& in) {
      const at::Tensor targets = in.targets.unsqueeze(-1);
      const at::Tensor places = at::arange(in.own.scores.size(-1) - 1, targets.options());
      const at::Tensor others = places + (places >= targets);  // all labels but the target
      const auto log_softmax = [&](const at::Tensor& scores) {
        return (scores.gather(-1, others) / tau_).log_softmax(-1);
      };
      const at::Tensor p = log_softmax(in.references[0].scores), q = log_softmax(in.own.scores);
      return beta_ * tau_ * tau_ * (p.exp() * (p - q)).sum(-1);
    };
    return clients.train(server.params(), {.loss = LossTerm{.value = distil, .references = {server.params()}}}).delta;
  }
  void server_update(State& state, std::span<const Aggregate> groups, const ServerContext&) const override {
    state.params().add_(groups[0].mean(), rate_);
  }

 private:
  double beta_, tau_, rate_;
};

}  // namespace

std::unique_ptr<Strategy> fed_ntd(Settings& settings) { return std::make_unique<FedNtd>(settings); }

}  // namespace shoal::algorithms
