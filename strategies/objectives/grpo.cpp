// GRPO: clipped policy gradient with advantages by comparison within a group of rollouts of one task, and a k3 penalty
// for leaving the policy before the update. Shao et al. 2024 (arXiv 2402.03300). The task chooses whether rollouts are
// compared by their outcomes or step by step, with process rewards (arXiv 2603.10165).
// Try: task.group = 4

#include "sim/agents/surrogate.hpp"

namespace shoal::objectives {
namespace {

class Grpo final : public Objective {
 public:
  explicit Grpo(const Settings& s)
      : surrogate_(s),
        kl_(s.number("kl", 0.01, "weight of the k3 penalty against the policy before the update", at_least(0))) {}

  bool takes(const Signals& signals) const override { return signals.judged; }

  double loss(const Sample& sample, RowView<double> gradient) const override {
    const double advantage = sample.signals.advantage;
    return surrogate_.sum(sample, gradient, [=](std::size_t) { return advantage; }, {.kl = kl_});
  }

 private:
  Surrogate surrogate_;
  double kl_;
};

}  // namespace

std::unique_ptr<Objective> grpo(Settings& settings) { return std::make_unique<Grpo>(settings); }

}  // namespace shoal::objectives
