// GRPO: clipped policy gradient with advantages by comparison within a group of rollouts of one task, and a k3 penalty
// for leaving the policy before the update. Shao et al. 2024 (arXiv 2402.03300). Whether rollouts are compared by their
// outcome or their steps by process rewards too is the task's choice (arXiv 2603.10165).
// Try: task.group = 4

#include "sim/agents/surrogate.hpp"

namespace shoal::objectives {
namespace {

class Grpo final : public Objective {
 public:
  explicit Grpo(const Settings& s)
      : surrogate_(s),
        kl_(s.number("kl", 0.01, "weight of the k3 penalty against the policy before the update", at_least(0))) {}

  bool takes(const Signals&) const override { return true; }

  double loss(const Sample& sample, RowView<double> gradient) const override {
    double loss = 0;
    const double length = sample.length();
    const Surrogate::OfReply surrogate = surrogate_.of(sample);
    for (std::size_t i = 0; i < sample.positions.size(); ++i) {
      const Position& p = sample.positions[i];
      const Term term = surrogate.at(p, sample.signals.advantage);
      const Term penalty = k3_penalty(p.old[p.token], p.current[p.token]);
      loss += p.count / length * (term.loss + kl_ * penalty.loss);
      gradient.at(static_cast<std::int64_t>(i))[p.token] += p.count / length * (term.slope + kl_ * penalty.slope);
    }
    return loss;
  }

 private:
  Surrogate surrogate_;
  double kl_;
};

}  // namespace

std::unique_ptr<Objective> grpo(Settings& settings) { return std::make_unique<Grpo>(settings); }

}  // namespace shoal::objectives
