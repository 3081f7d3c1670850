// FedAvgM: FedAvg with server momentum. Hsu, Qi and Brown 2019 (arXiv 1909.06335).

#include <ATen/ops/zeros_like.h>

#include "sim/round/strategy.hpp"

namespace shoal::algorithms {
namespace {

class FedAvgM final : public Strategy {
 public:
  explicit FedAvgM(const Settings& s)
      : rate_(s.number("rate", 1, "server learning rate", server_rate())),
        momentum_(s.number("momentum", 0.9, "server momentum", between(0, 1))),
        nesterov_(s.flag("nesterov", false, "Nesterov form of the momentum")) {}

  void init(State& state, const ServerContext&) const override {
    state.put("velocity", at::zeros_like(state.params()));
  }
  UpdateBlock client_update(const Message& server, ClientBlock& clients) const override {
    return clients.train(server.params()).delta;
  }
  void server_update(State& state, std::span<const Aggregate> groups, const ServerContext&) const override {
    const at::Tensor& change = groups[0].mean();
    at::Tensor& velocity = state.tensor("velocity").mul_(momentum_).add_(change);
    state.params().add_(nesterov_ ? change + momentum_ * velocity : velocity, rate_);
  }

 private:
  double rate_, momentum_;
  bool nesterov_;
};

}  // namespace

std::unique_ptr<Strategy> fed_avgm(Settings& settings) { return std::make_unique<FedAvgM>(settings); }

}  // namespace shoal::algorithms
