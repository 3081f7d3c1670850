#pragma once
// The server step that FedAdagrad, FedAdam and FedYogi share. Reddi et al., ICLR 2021 (arXiv 2003.00295), algorithm 2.

#include <ATen/ops/full_like.h>
#include <ATen/ops/zeros_like.h>

#include <functional>

#include "sim/round/strategy.hpp"

namespace shoal::algorithms {

inline double beta1(const Settings& s) {
  return s.number("beta1", 0.9, "decay of the first moment", between(0, 0.999999));
}
inline double beta2(const Settings& s) {
  return s.number("beta2", 0.99, "decay of the second moment", between(0, 0.999999));
}

/// x += rate m / (sqrt(v) + tau) with m = beta1 m + (1 - beta1) change. `SecondMoment` is a function
/// void(at::Tensor& v, const at::Tensor& change) that updates v in place. `step_factor(round)` scales the step; the
/// paper has none.
template <class SecondMoment>
class FedOpt final : public Strategy {
 public:
  FedOpt(const Settings& s, double beta1, SecondMoment second_moment,
         std::function<double(std::int64_t)> step_factor = {})
      : rate_(s.number("rate", 0.1, "server learning rate", server_rate())),
        beta1_(beta1),
        tau_(s.number("tau", 1e-3, "degree of adaptivity: added to the root of the second moment", positive())),
        start_(s.number("initial_v", tau_ * tau_, "second moment before the first round; the paper has tau^2",
                        at_least(0))),
        second_moment_(second_moment),
        step_factor_(std::move(step_factor)) {}

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
    second_moment_(v, change);
    const double rate = step_factor_ ? rate_ * step_factor_(context.round) : rate_;
    state.params().addcdiv_(m, v.sqrt().add_(tau_), rate);
  }

 private:
  double rate_, beta1_, tau_, start_;
  SecondMoment second_moment_;
  std::function<double(std::int64_t)> step_factor_;
};

}  // namespace shoal::algorithms
