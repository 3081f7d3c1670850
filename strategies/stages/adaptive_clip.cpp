// Adaptive clip: updates are scaled down to a norm that follows a quantile of the clients' norms. Each client reports
// in one bit whether its norm was within the bound C; then C *= exp(-rate (mean bit - quantile)). Andrew, Thakkar,
// McMahan and Ramaswamy, NeurIPS 2021 (arXiv 1905.03871), algorithm 1. C is sent with the model: a stale update is
// clipped to the bound that its client downloaded.

#include <ATen/ops/full.h>
#include <ATen/ops/tensor.h>

#include <cmath>

#include "sim/round/stage.hpp"

namespace shoal::stages {
namespace {

class AdaptiveClip final : public Stage {
 public:
  explicit AdaptiveClip(const Settings& s)
      : initial_(s.number("initial", 0.1, "bound in the first round", positive())),
        quantile_(s.number("quantile", 0.5, "desired share of clients whose norm is within the bound", between(0, 1))),
        rate_(s.number("rate", 0.2, "speed at which the bound follows the quantile, per round", positive())),
        bit_noise_(s.number("bit_noise", 0,
                            "standard deviation of the noise on the number of clients within the bound (a twentieth of "
                            "the cohort in the paper); its generator is for simulation only",
                            at_least(0))) {}

  void declare(std::vector<Channel>& all, const ParameterLayout&) const override {
    all.push_back({.name = "within_bound", .size = 1, .weighting = Weighting::uniform, .bound = 1, .needs_mean = true});
  }
  void init(State& state, const ServerContext&) const override {
    state.put("bound", at::full({1}, initial_, at::TensorOptions(at::kDouble)));
  }
  void broadcast(const State& state, std::int32_t, Message& message) const override {
    message.tensors.emplace("bound", state.tensor("bound"));
  }
  void report(const State& state, Measures& measures, Tables&) const override {
    measures["bound"] = state.tensor("bound").item<double>();
  }

  void client_side(const Message& message, ClientBlock&, UpdateBlock& update,
                   const PartContext& context) const override {
    const double bound = context.received(message, "bound").item<double>();
    Rows& rows = update.channels[0];  // the strategy's first channel: the change of the parameters
    std::vector<double> factors = rows.norms();
    std::vector<double> within;
    for (double& norm : factors) {
      within.push_back(norm <= bound ? 1 : 0);
      norm = norm > bound ? bound / norm : 1;
    }
    rows.scale(factors);
    update.channels[context.own("within_bound")] = at::tensor(within, at::TensorOptions(rows.type())).unsqueeze(1);
  }

  void server_side(State& state, Aggregate& total, const ServerContext& context) const override {
    double within = total.mean(context.own("within_bound")).item<double>();
    if (bit_noise_ > 0) within += bit_noise_ * RandomStream(context.key, 0).normal() / total.clients;
    state.tensor("bound").mul_(std::exp(-rate_ * (within - quantile_)));
  }

 private:
  double initial_, quantile_, rate_, bit_noise_;
};

}  // namespace

std::unique_ptr<Stage> adaptive_clip(Settings& settings) { return std::make_unique<AdaptiveClip>(settings); }

}  // namespace shoal::stages
