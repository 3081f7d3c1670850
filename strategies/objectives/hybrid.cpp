// Hybrid RL: the judge's vote on the sampled tokens plus clipped gaps to a hinted teacher on the policy's likeliest
// tokens. OpenClaw-RL, version 2 (arXiv 2603.10165v2), section 3. Every reply with a verdict or a hint counts
// towards the batch. With anchor = true in [task], replies without a hint get the gaps to the teacher without it too.

#include "strategies/objectives/shared/hint_gaps.hpp"

namespace shoal::objectives {
namespace {

class Hybrid final : public Objective {
 public:
  explicit Hybrid(const Settings& s)
      : surrogate_(s),
        gaps_(s),
        vote_(s.number("vote_weight", 1, "weight of the judge's vote", at_least(0))),
        hint_(s.number("hint_weight", 1, "weight of the teacher's gaps", at_least(0))) {}

  bool takes(const Signals& signals) const override { return signals.judged || signals.hints > 0; }

  double loss(const Sample& sample, RowView<double> gradient) const override {
    const double gaps = hint_ == 0 ? 0 : hint_ * gaps_.loss(sample, hint_, gradient);
    const double advantage = vote_ * sample.signals.reward;
    if (advantage == 0) return gaps;
    return surrogate_.sum(sample, gradient, [=](std::size_t) { return advantage; }, {.start = gaps});
  }

 private:
  Surrogate surrogate_;
  HintGaps gaps_;
  double vote_, hint_;
};

}  // namespace

std::unique_ptr<Objective> hybrid(Settings& settings) { return std::make_unique<Hybrid>(settings); }

}  // namespace shoal::objectives
