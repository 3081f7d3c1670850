// FedLC, calibrated logits: clients with few examples of a label do not push its scores down. The local loss is the
// cross entropy of the scores minus tau n^(-1/4), where n is the client's number of examples of the label. Zhang et
// al., ICML 2022 (arXiv 2209.00189). In the paper the sum of the softmax leaves out the true label, which makes the
// loss unbounded below; here it contains it. A label that a client does not have counts as n = 1e-8. tau = 0 is FedAvg.
// Try: task = "supervised", data = "optdigits", model = "mlp", partition = {name = "dirichlet", clients = 20}

#include "sim/round/strategy.hpp"

namespace shoal::algorithms {
namespace {

// The loss of each target, from scores that are calibrated by in.given[0], [n, classes].
at::Tensor calibrated_loss(const LossInputs& in) {
  const at::Tensor scores = in.own.scores - in.given[0].unsqueeze(1);
  return -scores.log_softmax(-1).gather(-1, in.targets.unsqueeze(-1)).squeeze(-1);
}

class FedLc final : public Strategy {
 public:
  explicit FedLc(const Settings& s)
      : tau_(s.number("tau", 1, "strength of the calibration", at_least(0))),
        rate_(s.number("rate", 1, "server learning rate", server_rate())) {}

  void check(const Composition& all) const override {
    if (all.task.has_outputs() && !all.task.client_labels(ClientId{0}).examples.empty()) return;
    user_error("[strategy] fed_lc counts examples by label, and the task has no labels. Use [data] with labels.");
  }
  UpdateBlock client_update(const Message& server, ClientBlock& clients) const override {
    const at::Tensor counts = clients.label_counts().to(server.params().options()).clamp_min(1e-8);
    return clients
        .train(server.params(),
               {.loss = LossTerm{.value = calibrated_loss, .replaces = true, .given = {tau_ * counts.pow(-0.25)}}})
        .delta;
  }
  void server_update(State& state, std::span<const Aggregate> groups, const ServerContext&) const override {
    state.params().add_(groups[0].mean(), rate_);
  }

 private:
  double tau_, rate_;
};

}  // namespace

std::unique_ptr<Strategy> fed_lc(Settings& settings) { return std::make_unique<FedLc>(settings); }

}  // namespace shoal::algorithms
