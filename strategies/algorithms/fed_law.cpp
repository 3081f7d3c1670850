// FedLAW: the server learns on examples of its own how to weigh the clients' models, and by how much to shrink their
// mean: x = gamma sum_i lambda_i y_i, with lambda = softmax(a) from FedAvg's weights on and gamma = e^g from 1 on, by
// Adam (0.5, 0.999) on the loss on its examples. Li et al., ICML 2023 (arXiv 2302.10911). Without epochs this is
// FedAvg. The server's time is not charged on the virtual clock.
//
// Try: task = "supervised", data = {name = "optdigits", server = 90}, model = "logistic_regression", local.batch = 5

#include <ATen/ops/dot.h>
#include <ATen/ops/from_blob.h>
#include <ATen/ops/ones.h>

#include "sim/round/server_rows.hpp"
#include "strategies/algorithms/shared/mixture.hpp"
#include "strategies/algorithms/shared/server_batches.hpp"

namespace shoal::algorithms {
namespace {

// Adam of a few numbers. Kingma and Ba 2015 (arXiv 1412.6980), algorithm 1, with the authors' first decay rate.
class Adam {
 public:
  explicit Adam(std::size_t size) : first_(size), second_(size) {}

  std::vector<double> step(std::span<const double> gradient, double rate) {
    constexpr double beta1 = 0.5, beta2 = 0.999, epsilon = 1e-8;
    ++number_;
    std::vector<double> change;
    for (std::size_t i = 0; i < gradient.size(); ++i) {
      first_[i] = beta1 * first_[i] + (1 - beta1) * gradient[i];
      second_[i] = beta2 * second_[i] + (1 - beta2) * gradient[i] * gradient[i];
      const double mean = first_[i] / (1 - std::pow(beta1, number_));
      change.push_back(-rate * mean / (std::sqrt(second_[i] / (1 - std::pow(beta2, number_))) + epsilon));
    }
    return change;
  }

 private:
  std::vector<double> first_, second_;
  std::int64_t number_ = 0;
};

class FedLaw final : public Strategy {
 public:
  explicit FedLaw(const Settings& s)
      : epochs_(s.integer("epochs", 100, "passes over the server's examples in each round", at_least(0))),
        batch_(s.integer("batch", 0, "examples of a server's step; 0: all", at_least(0))),
        rate_(s.number("rate", 0.01, "learning rate of weights and shrinking", positive())),
        halve_(s.integer("halve_every", 20, "epochs after which the rate is halved", at_least(1))) {}

  void check(const Composition& all) const override {
    if (!all.task.has_outputs() || all.task.evaluated_examples("server") == 0) {
      user_error("[strategy] fed_law learns on examples of the server, and it has none. Set 'server' of [data].");
    }
    for (const RoundPart* part : all.parts) {
      if (part->mechanisms(all).empty()) continue;
      user_error("'{}' adds noise to a sum, and fed_law weighs single updates anew. Leave one of them out.",
                 part->name());
    }
    for (const Channel& channel : all.channels.subspan(1)) {
      if (channel.needs_mean) continue;
      user_error(
          "[strategy] fed_law with the channel '{}' (it weighs rows of one channel). Leave out the stage that "
          "declares it.",
          channel.name);
    }
  }
  bool wants_rows() const override { return true; }
  void report(const State& state, Measures& measures, Tables&) const override {
    measures["shrink"] = state.tensor("shrink").item<double>();
  }
  void init(State& state, const ServerContext&) const override { state.put("shrink", at::ones({1}, at::kDouble)); }

  UpdateBlock client_update(const Message& server, ClientBlock& clients) const override {
    return clients.train(server.params()).delta;
  }
  void server_update(State& state, std::span<const Aggregate> groups, const ServerContext& context) const override {
    at::Tensor& params = state.params();
    ensure(context.rows != nullptr, "a mixture of updates without the updates");
    RowSet rows = context.rows->updates();  // changes of the model, not models
    if (epochs_ == 0 || rows.count() == 0) {
      params.add_(groups[0].mean());
      return;
    }
    double total = 0;
    for (const double weight : rows.weights()) total += weight;
    std::vector<double> weights(rows.weights().begin(), rows.weights().end());
    for (double& weight : weights) weight /= total;

    Mixture mixture(weights);
    Adam adam(weights.size() + 1);
    ServerBatches batches(context, batch_);
    for (std::int64_t step = 0; step < epochs_ * batches.per_pass(); ++step) {
      const at::Tensor model = mixed(params, rows, mixture);
      const at::Tensor slope = context.server->gradient(model, batches.next()).cpu();
      const double with_model = at::dot(slope.to(at::kDouble), model.cpu().to(at::kDouble)).item<double>();
      const double rate = rate_ * std::pow(0.5, step / batches.per_pass() / halve_);
      mixture.add(adam.step(mixture.gradient(products(rows, slope), with_model), rate));
    }
    params.copy_(mixed(params, rows, mixture));
    state.tensor("shrink").fill_(mixture.shrink());
  }

 private:
  // gamma (x + sum lambda_i (y_i - x)), which is gamma sum lambda_i y_i.
  static at::Tensor mixed(const at::Tensor& params, const RowSet& rows, const Mixture& mixture) {
    std::vector<double> lambda = mixture.lambda();
    RowSet mean = rows;
    mean.mix(at::from_blob(lambda.data(), {1, std::ssize(lambda)}, at::kDouble));
    return (params + mean.row(0).to(params.device())).mul_(mixture.shrink());
  }
  // The products of each row with a vector.
  static std::vector<double> products(RowSet& rows, const at::Tensor& vector) {
    const std::int64_t n = rows.count();
    const std::span<const double> all = rows.gram({&vector, 1});
    std::vector<double> with;
    for (std::int64_t i = 0; i < n; ++i) with.push_back(all[i * (n + 1) + n]);
    return with;
  }

  std::int64_t epochs_, batch_;
  double rate_;
  std::int64_t halve_;
};

}  // namespace

std::unique_ptr<Strategy> fed_law(Settings& settings) { return std::make_unique<FedLaw>(settings); }

}  // namespace shoal::algorithms
