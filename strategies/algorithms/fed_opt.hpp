#pragma once
// What FedAdagrad, FedAdam and FedYogi share. Reddi et al., ICLR 2021 (arXiv 2003.00295), algorithm 2.

#include <ATen/ops/full_like.h>
#include <ATen/ops/zeros_like.h>

#include "sim/round/strategy.hpp"

namespace shoal::algorithms {

/// x += rate m / (sqrt(v) + tau) with m = beta1 m + (1 - beta1) change; `SecondMoment` says how v follows the change:
/// void(at::Tensor& v, const at::Tensor& change, double beta2), in place. The paper has no bias correction.
template <class SecondMoment>
class FedOpt final : public Strategy {
 public:
  FedOpt(const Settings& s, double beta1, SecondMoment second_moment)
      : rate_(s.number("rate", 0.1, "server learning rate", server_rate())),
        beta1_(s.number("beta1", beta1, "decay of the first moment", between(0, 1))),
        beta2_(s.number("beta2", 0.99, "decay of the second moment (FedAdam, FedYogi)", between(0, 1))),
        tau_(s.number("tau", 1e-3, "degree of adaptivity: added to the root of the second moment", positive())),
        start_(s.number("initial_v", tau_ * tau_, "second moment before the first round; the paper has tau^2",
                        at_least(0))),
        bias_correction_(
            s.flag("bias_correction", false,
                   "multiply the step by sqrt(1 - beta2^(r+1)) / (1 - beta1^(r+1)) as Flower's FedAdam does")),
        second_moment_(second_moment) {}

  void init(State& state, const ServerContext&) const override {
    state.put("m", at::zeros_like(state.params()));
    state.put("v", at::full_like(state.params(), start_));
  }
  UpdateBlock client_update(const Message& server, ClientBlock& clients) const override {
    return clients.train(server.params()).delta;
  }
  void server_update(State& state, std::span<const Aggregate> groups, const ServerContext& context) const override {
    const at::Tensor& change = groups[0].mean();
    at::Tensor& m = state.tensor("m").mul_(beta1_).add_(change, 1 - beta1_);
    at::Tensor& v = state.tensor("v");
    second_moment_(v, change, beta2_);
    double rate = rate_;
    if (bias_correction_) {
      const auto power = static_cast<double>(context.round + 1);
      rate *= std::sqrt(1 - std::pow(beta2_, power)) / (1 - std::pow(beta1_, power));
    }
    state.params().addcdiv_(m, v.sqrt().add_(tau_), rate);
  }

 private:
  double rate_, beta1_, beta2_, tau_, start_;
  bool bias_correction_;
  SecondMoment second_moment_;
};

}  // namespace shoal::algorithms
