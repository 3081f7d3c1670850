// Supervised fine-tuning on accepted replies: the negative log-likelihood of replies that the judge voted for. The
// baseline that uses neither rejections nor hints. Only accepted replies count towards the batch.

#include "sim/agents/objective.hpp"

namespace shoal::objectives {
namespace {

class AcceptedReplies final : public Objective {
 public:
  bool takes(const Signals& signals) const override { return signals.reward > 0; }

  double loss(const Sample& sample, RowView<double> gradient) const override {
    double loss = 0;
    const double length = sample.length();
    for (std::size_t i = 0; i < sample.positions.size(); ++i) {
      const Position& p = sample.positions[i];
      loss -= p.count / length * p.current[p.token];
      gradient.at(i)[p.token] -= p.count / length;
    }
    return loss;
  }
};

}  // namespace

std::unique_ptr<Objective> accepted_replies(Settings&) { return std::make_unique<AcceptedReplies>(); }

}  // namespace shoal::objectives
