// On-policy distillation by the reverse KL divergence to the hinted teacher over the teacher's k likeliest tokens and
// one bin for all others, as in SDPO (arXiv 2601.20802) and SDFT (arXiv 2601.19897). No importance ratio: the gradient
// is exact in the policy. Only replies with a hint count towards the batch; the longest hint is used.

#include "sim/settings/settings.hpp"
#include "strategies/objectives/shared/reverse_kl.hpp"

namespace shoal::objectives {
namespace {

class OpdReverseKl final : public Objective {
 public:
  explicit OpdReverseKl(const Settings& s)
      : k_(s.integer("k", 50, "tokens of the teacher that have bins of their own", at_least(1))) {}

  bool takes(const Signals& signals) const override { return signals.hints > 0; }

  double loss(const Sample& sample, RowView<double> gradient) const override {
    double loss = 0;
    const double length = sample.length();
    const std::size_t vocabulary = sample.vocabulary;
    for (std::size_t i = 0; i < sample.positions.size(); ++i) {
      const Position& p = sample.positions[i];
      const double share = p.count / length;
      const std::span student(p.current, vocabulary);
      const std::span teacher(sample.teacher(sample.signals.hints - 1, i), vocabulary);
      loss += share * reverse_kl(likeliest(teacher, k_), student, teacher, share, gradient.at(i));
    }
    return loss;
  }

 private:
  std::size_t k_;
};

}  // namespace

std::unique_ptr<Objective> opd_reverse_kl(Settings& settings) { return std::make_unique<OpdReverseKl>(settings); }

}  // namespace shoal::objectives
