// On-policy distillation by token: the advantage of a sampled token is the gap between the log-probability that the
// teacher gives it with the hint in its context and the policy's own. OpenClaw-RL (arXiv 2603.10165), section 3.2; in
// expectation the gradient of the reverse KL divergence. Only replies with a hint count towards the batch; the longest
// hint is used.

#include "sim/agents/surrogate.hpp"

namespace shoal::objectives {
namespace {

class OpdToken final : public Objective {
 public:
  explicit OpdToken(const Settings& s) : surrogate_(s) {}

  bool takes(const Signals& signals) const override { return signals.hints > 0; }

  double loss(const Sample& sample, RowView<double> gradient) const override {
    const auto gap = [&](std::size_t i) {
      const Position& p = sample.positions[i];
      return sample.teacher(sample.signals.hints - 1, i)[p.token] - p.old[p.token];
    };
    return surrogate_.sum(sample, gradient, gap);
  }

 private:
  Surrogate surrogate_;
};

}  // namespace

std::unique_ptr<Objective> opd_token(Settings& settings) { return std::make_unique<OpdToken>(settings); }

}  // namespace shoal::objectives
