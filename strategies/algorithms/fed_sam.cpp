// FedSAM, sharpness-aware local training: each local step follows the gradient at w + rho g / |g|, where g is the
// gradient at the client's parameters w on the same batch, so that clients settle in flat regions of their losses. Qu
// et al., ICML 2022 (arXiv 2206.02618), algorithm 1. A step costs two passes over its batch. rho = 0 is FedAvg.

#include "sim/round/strategy.hpp"

namespace shoal::algorithms {
namespace {

class FedSam final : public Strategy {
 public:
  explicit FedSam(const Settings& s)
      : rho_(s.number("rho", 0.05, "distance of the point whose gradient a local step takes", at_least(0))),
        rate_(s.number("rate", 1, "server learning rate", server_rate())) {}

  double operations(const ClientWork& work, const LocalSettings& local, double fraction) const override {
    return 2 * local_flops(work, local, fraction);
  }
  UpdateBlock client_update(const Message& server, ClientBlock& clients) const override {
    const auto ascend_then_descend = [rho = rho_](Step& step) {
      const at::Tensor y = step.params(), g = step.gradient(y);
      const at::Tensor length = g.norm(2, 1, /*keepdim=*/true).clamp_min(1e-12);
      step.apply(step.gradient(y + rho * g / length));
    };
    return clients.train(server.params(), {.program = ascend_then_descend}).delta;
  }
  void server_update(State& state, std::span<const Aggregate> groups, const ServerContext&) const override {
    state.params().add_(groups[0].mean(), rate_);
  }

 private:
  double rho_, rate_;
};

}  // namespace

std::unique_ptr<Strategy> fed_sam(Settings& settings) { return std::make_unique<FedSam>(settings); }

}  // namespace shoal::algorithms
