// Combined: the advantage of a token is the judge's vote plus the gap between the hinted teacher's log-probability and
// the policy's own. OpenClaw-RL, version 1 (arXiv 2603.10165v1), section 3.3. Replies with a vote or a hint count
// towards the batch. With anchor = true in [task], replies without a hint get the gap to the teacher without it too.

#include "sim/agents/surrogate.hpp"

namespace shoal::objectives {
namespace {

class Combined final : public Objective {
 public:
  explicit Combined(const Settings& s)
      : surrogate_(s),
        vote_(s.number("vote_weight", 1, "weight of the judge's vote", at_least(0))),
        hint_(s.number("hint_weight", 1, "weight of the teacher's gap", at_least(0))) {}

  bool takes(const Signals& signals) const override { return signals.reward != 0 || signals.hints > 0; }

  double loss(const Sample& sample, RowView<double> gradient) const override {
    const auto advantage = [&](std::size_t i) {
      const Position& p = sample.positions[i];
      const double* teacher = nullptr;
      if (sample.signals.hints > 0) {
        teacher = sample.teacher(sample.signals.hints - 1, i);  // the longest hint
      } else if (!sample.teacher_without_hint.empty()) {
        teacher = sample.teacher_without_hint[i];
      }
      const double vote = vote_ * sample.signals.reward;
      return teacher == nullptr ? vote : vote + hint_ * (teacher[p.token] - p.old[p.token]);
    };
    return surrogate_.sum(sample, gradient, advantage);
  }

 private:
  Surrogate surrogate_;
  double vote_, hint_;
};

}  // namespace

std::unique_ptr<Objective> combined(Settings& settings) { return std::make_unique<Combined>(settings); }

}  // namespace shoal::objectives
