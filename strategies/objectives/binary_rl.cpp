// Binary RL: every token of a reply gets the judge's vote as its advantage, without baseline. OpenClaw-RL
// (arXiv 2603.10165), section 3.1: clipped policy gradient plus a penalty for leaving the old policy. Every reply
// with a verdict counts towards the batch; a tie has no gradient.

#include "sim/agents/surrogate.hpp"

namespace shoal::objectives {
namespace {

class BinaryRl final : public Objective {
 public:
  explicit BinaryRl(const Settings& s)
      : surrogate_(s),
        kl_(s.number("kl", 0, "weight of the k3 penalty against the policy before the update", at_least(0))) {}

  bool takes(const Signals& signals) const override { return signals.judged; }

  double loss(const Sample& sample, RowView<double> gradient) const override {
    const double vote = sample.signals.reward;
    if (vote == 0) return 0;
    return surrogate_.sum(sample, gradient, [=](std::size_t) { return vote; }, {.kl = kl_});
  }

 private:
  Surrogate surrogate_;
  double kl_;
};

}  // namespace

std::unique_ptr<Objective> binary_rl(Settings& settings) { return std::make_unique<BinaryRl>(settings); }

}  // namespace shoal::objectives
