// On-policy distillation on the policy's k likeliest tokens, with clipped gaps: the distillation half of Hybrid RL
// alone. OpenClaw-RL, version 2 (arXiv 2603.10165v2), section 3. Only replies with a hint count towards the batch.

#include "strategies/objectives/shared/hint_gaps.hpp"

namespace shoal::objectives {
namespace {

class OpdTopK final : public Objective {
 public:
  explicit OpdTopK(const Settings& s) : gaps_(s) {}

  bool takes(const Signals& signals) const override { return signals.hints > 0; }
  double loss(const Sample& sample, RowView<double> gradient) const override { return gaps_.loss(sample, 1, gradient); }

 private:
  HintGaps gaps_;
};

}  // namespace

std::unique_ptr<Objective> opd_top_k(Settings& settings) { return std::make_unique<OpdTopK>(settings); }

}  // namespace shoal::objectives
