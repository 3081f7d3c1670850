// Per-FedAvg: the server model is one that a client adapts by a single gradient step of length alpha, so local steps
// descend the loss after that step, by the rate of [local]. Fallah, Mokhtari and Ozdaglar, NeurIPS 2020 (arXiv
// 2002.07948), algorithm 1. The first-order form leaves out the derivative of the step; the other one has its product
// with a vector from a difference of two gradients, on the batch of the step itself (the paper draws a third batch).
// [evaluate] personal shows the adapted models, with a step on all of a client's examples. alpha = 0 is FedAvg.

#include "sim/round/strategy.hpp"

namespace shoal::algorithms {
namespace {

class PerFedAvg final : public Strategy {
 public:
  explicit PerFedAvg(const Settings& s)
      : alpha_(s.number("alpha", 0.01, "rate of the step by which a client adapts the model", at_least(0))),
        hessian_free_(s.choice("form", false, {{"first_order", false}, {"hessian_free", true}},
                               "whether local steps differentiate the adapting step, by a difference of gradients")),
        difference_(s.number("difference", 1e-3, "half the distance of these, in lengths of the gradient", positive())),
        rate_(s.number("rate", 1, "server learning rate", server_rate())) {}

  std::vector<Channel> channels(const ParameterLayout& layout) const override {
    return {delta_channel(layout, Weighting::uniform)};
  }
  double operations(const ClientWork& work, const LocalSettings& local, double fraction) const override {
    return (hessian_free_ ? 4 : 2) * local_flops(work, local, fraction);
  }
  UpdateBlock client_update(const Message& server, ClientBlock& clients) const override {
    const auto adapt_then_descend = [this](Step& step) {
      const at::Tensor y = step.params();
      at::Tensor g = step.gradient(y - alpha_ * step.gradient(y), Which::next_batch);
      if (hessian_free_) {
        const at::Tensor ahead = step.gradient(y + difference_ * g), behind = step.gradient(y - difference_ * g);
        g = g - alpha_ / (2 * difference_) * (ahead - behind);
      }
      step.apply(g);
    };
    return clients.train(server.params(), {.program = adapt_then_descend}).delta;
  }
  void server_update(State& state, std::span<const Aggregate> groups, const ServerContext&) const override {
    state.params().add_(groups[0].mean(), rate_);
  }

  bool is_personal() const override { return true; }
  at::Tensor personal(const Message& server, ClientBlock& clients) const override {
    return server.params() - alpha_ * clients.gradient(server.params()).delta.dense();
  }

 private:
  double alpha_;
  bool hessian_free_;
  double difference_, rate_;
};

}  // namespace

std::unique_ptr<Strategy> per_fed_avg(Settings& settings) { return std::make_unique<PerFedAvg>(settings); }

}  // namespace shoal::algorithms
