// FedNova, normalized averaging: each client's change is divided by its effective number of local steps before the mean
// is taken, so that clients which do more steps do not pull the model towards their own objectives; the mean is
// multiplied by the mean number of effective steps. Wang et al., NeurIPS 2020 (arXiv 2007.07481). When all clients do
// the same number of steps, this is FedAvg, or FedProx with `mu` above 0.

#include <ATen/ops/from_blob.h>
#include <ATen/ops/ones_like.h>

#include "sim/round/strategy.hpp"

namespace shoal::algorithms {
namespace {

// Whole numbers up to this are exact in float32. A client with more effective steps is rejected and counted.
constexpr double most_effective_steps = 1 << 24;

// ||a||_1 of the paper: the sum of the coefficients with which `steps` local steps add up their gradients. They are
// found by taking the local solver's own steps (`SgdStep`) on gradients of 1, in units of the learning rate. The
// paper's closed forms are special cases: the number of steps for plain SGD, (1 - (1 - rate mu)^steps) / (rate mu) for
// the proximal solver. With momentum and `mu` both above 0 some coefficients may be negative; then this is their signed
// sum, not the norm. Weight decay does not count, as the penalty belongs to the client's objective.
double effective_steps(std::int64_t steps, const LocalSettings& local, double mu) {
  double distance = 0, momentum = 0;
  for (std::int64_t step = 0; step < steps; ++step) {
    const double gradient = 1 - local.rate * mu * distance;
    momentum = local.momentum * momentum + gradient;
    distance += local.nesterov ? gradient + local.momentum * momentum : momentum;
  }
  return distance;
}

class FedNova final : public Strategy {
 public:
  explicit FedNova(const Settings& s)
      : mu_(s.number("mu", 0, "strength of the pull to the server model, as in FedProx", at_least(0))),
        rate_(s.number("rate", 1, "server learning rate", server_rate())),
        where_(s.where()) {}

  void check(const Composition& all) const override {
    const double rate = all.local.rate;
    if (mu_ * rate <= 1) return;
    user_error(
        "{}: mu of {} with a learning rate of {} (a local step would overshoot the server model). Lower 'mu' to "
        "{} or less.",
        where_, mu_, rate, 1 / rate);
  }
  std::vector<Channel> channels(const ParameterLayout& layout) const override {
    return {{.name = "normalized_delta", .size = layout.size},
            {.name = "effective_steps", .size = 1, .bound = most_effective_steps, .needs_mean = true},
            {.name = "share", .size = 1, .needs_mean = true}};
  }

  UpdateBlock client_update(const Message& server, ClientBlock& clients) const override {
    const LocalResult fit = clients.train(server.params(), {.pull = mu_, .anchor = server.params()});
    std::vector<double> effective;
    for (const ClientFigures& client : fit.figures) {
      effective.push_back(effective_steps(client.steps, clients.local(), mu_));
    }
    const at::Tensor steps = at::from_blob(effective.data(), {clients.count(), 1}, at::kDouble)
                                 .to(fit.delta.dense().options(), /*non_blocking=*/false, /*copy=*/true);
    return {{fit.delta.dense() / steps, steps, at::ones_like(steps)}};
  }
  void server_update(State& state, std::span<const Aggregate> groups, const ServerContext&) const override {
    // A planner that scales stale updates down (FedBuff) scales both means; the share takes one of the factors out
    // again.
    const at::Tensor steps = groups[0].mean(1) / groups[0].mean(2);
    // With mu above 0 the authors' code multiplies by the mean number of local steps instead.
    state.params().add_(groups[0].mean(0) * steps, rate_);
  }

 private:
  double mu_, rate_;
  std::string where_;
};

}  // namespace

std::unique_ptr<Strategy> fed_nova(Settings& settings) { return std::make_unique<FedNova>(settings); }

}  // namespace shoal::algorithms
