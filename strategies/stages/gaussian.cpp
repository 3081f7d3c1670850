// Gaussian: central differential privacy for clients. Each update is scaled down to a Euclidean norm of at most `bound`
// over all its private channels together, every client counts alike, and the server divides the sum by the expected
// cohort after Gaussian noise with a standard deviation of `noise_multiplier` * `bound` is added to it. It adds noise
// even in a round without any update. McMahan, Ramage, Talwar and Zhang, ICLR 2018 (arXiv 1710.06963), with
// the fixed-denominator estimator. The generator is for simulation only.

#include <ATen/ops/zeros.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>

#include "kernels/noise.hpp"
#include "sim/round/aggregator.hpp"
#include "sim/round/planner.hpp"
#include "sim/round/rule.hpp"
#include "sim/round/stage.hpp"

namespace shoal::stages {
namespace {

// Scaling rounds, so a value may exceed the bound by a few units in the last place.
constexpr double rounding = 1 + 1e-5;

bool is_protected(const Channel& channel) { return channel.is_private && !channel.needs_mean; }

// The place of the stage that has declared a channel, or that a section belongs to; 0 for those of the strategy.
int place_of(std::string_view name) {
  constexpr std::string_view stage = "stage/";
  return name.starts_with(stage) ? std::atoi(std::string(name.substr(stage.size())).c_str()) : 0;
}

class Gaussian final : public Stage {
 public:
  explicit Gaussian(const Settings& s)
      : bound_(s.number("bound", 1, "largest norm of a client's update, over its private channels", positive())),
        multiplier_(s.number("noise_multiplier", 1,
                             "standard deviation of the noise on the sum of the updates, in units of 'bound'",
                             at_least(0))),
        where_(s.where()) {}

  void check(const Composition& all) const override {
    const auto* aggregator = all.find<Aggregator>();
    if (aggregator != nullptr && !aggregator->gives_means()) {
      user_error("{}: the noise is that of a mean, which [aggregator] does not give. Use another aggregator.", where_);
    }
    if (all.find<Rule>() != nullptr) {
      user_error("{}: the noise is that of a mean, which rules do not give. Leave out 'rules'.", where_);
    }
    for (const Channel& channel : all.channels) {
      if (!covers(channel, place(all))) continue;
      if (channel.weighting == Weighting::uniform && *channel.bound <= bound_ * rounding) continue;
      user_error(
          "{}: a later stage changes the weights or the bound of the channel '{}'. Put that stage before this one.",
          where_, channel.name);
    }
    const auto* planner = all.find<Planner>();
    if (planner != nullptr && planner->sampling(all).expected > 0) return;
    user_error(
        "{}: the planner does not say how many clients it expects in a round, which the sum is divided by. Use a "
        "planner that does, such as \"poisson\".",
        where_);
  }
  std::vector<std::string> notes(const Composition& all) const override {
    const Sampling sampling = all.find<Planner>()->sampling(all);
    const double deviation = multiplier_ * bound_ / sampling.expected;
    std::string note =
        fmt::format("Gaussian noise with multiplier {}: a standard deviation of {:.3g} on each coordinate of the mean",
                    multiplier_, deviation);
    if (sampling.kind == Sampling::Kind::poisson)
      note += fmt::format(", Poisson sampling at rate {:.3g}", sampling.rate);
    if (sampling.kind == Sampling::Kind::none) note += ", no amplification by sampling";
    return {note};
  }
  std::vector<Mechanism> mechanisms(const Composition& all) const override {
    const int own = place(all);
    Mechanism mechanism{.name = fmt::format("stage/{}/{}", own, name()),
                        .law = Law::gaussian,
                        .sensitivity = bound_,
                        .noise_multiplier = multiplier_};
    for (const Channel& channel : all.channels) {
      if (covers(channel, own)) mechanism.channels.push_back(channel.name);
    }
    return {mechanism};
  }
  bool steps_without_clients() const override { return true; }

  void declare(std::vector<Channel>& all, const ParameterLayout&) const override {
    for (Channel& channel : all) {
      if (!is_protected(channel)) continue;
      channel.weighting = Weighting::uniform;
      channel.bound = std::min(*channel.bound, bound_ * rounding);
    }
  }
  void client_side(const Message&, ClientBlock& clients, UpdateBlock& update,
                   const PartContext& context) const override {
    std::vector<double> factors(clients.count());  // first the squared norms
    for (std::size_t c = 0; c < context.channels.size(); ++c) {
      if (!covers(context.channels[c], place_of(context.section))) continue;
      const std::vector<double> norms = update.channels[c].norms();
      for (std::size_t k = 0; k < factors.size(); ++k) factors[k] += norms[k] * norms[k];
    }
    for (double& factor : factors) {
      const double norm = std::sqrt(factor);
      factor = norm > bound_ ? bound_ / norm : 1;
    }
    for (std::size_t c = 0; c < context.channels.size(); ++c) {
      if (covers(context.channels[c], place_of(context.section))) update.channels[c].scale(factors);
    }
  }
  void server_side(State&, Aggregate& group, const ServerContext& context) const override {
    const double expected = context.expected_cohort;
    for (std::size_t c = 0; c < context.channels.size(); ++c) {
      if (!covers(context.channels[c], place_of(context.section))) continue;
      at::Tensor& mean = group.mean(c);
      mean.mul_(group.weights[c] / expected);
      group.weights[c] = expected;
      mean.add_(noise(c, multiplier_ * bound_ / expected, mean, context));
    }
  }

 private:
  // Channels that were declared before this stage.
  static bool covers(const Channel& channel, int own) { return is_protected(channel) && place_of(channel.name) < own; }
  int place(const Composition& all) const {
    const std::vector<const Stage*> stages = all.all<Stage>();
    const auto own = std::ranges::find_if(stages, [&](const Stage* stage) { return stage == this; });
    return 1 + (own - stages.begin());
  }

  static at::Tensor noise(std::uint32_t channel, double deviation, const at::Tensor& mean,
                          const ServerContext& context) {
    at::Tensor values = at::zeros({1, mean.numel()}, mean.options().device(at::kCPU));
    const PhiloxKey key{context.key.word0, context.key.word1};
    const NoiseStream stream{{channel, 0, 0}};
    const std::span streams(&stream, 1);
    if (mean.scalar_type() == at::kDouble) {
      fill_normals(RowView<double>(values.mutable_data_ptr<double>(), 1, mean.numel()), key, streams, deviation);
    } else {
      fill_normals(RowView<float>(values.mutable_data_ptr<float>(), 1, mean.numel()), key, streams, deviation);
    }
    return values[0].to(mean.device());
  }

  double bound_, multiplier_;
  std::string where_;
};

}  // namespace

std::unique_ptr<Stage> gaussian(Settings& settings) { return std::make_unique<Gaussian>(settings); }

}  // namespace shoal::stages
