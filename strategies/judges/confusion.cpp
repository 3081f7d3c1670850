// A judge known by its error rates: the vote after majority is the truth, turned with a probability for each kind of
// error. A failed turn judged +1 is a false positive: 0.37 in one reproduction of OpenClaw-RL (arXiv 2603.10165), 0 is
// an oracle. Tool results are judged right.

#include "sim/agents/hints.hpp"

namespace shoal::judges {
namespace {

class Confusion final : public Judge {
 public:
  explicit Confusion(const Settings& s)
      : false_positive_(s.number("false_positive", 0, "probability of +1 for a reply that failed", between(0, 1))),
        false_negative_(s.number("false_negative", 0, "probability of -1 for a reply that satisfied", between(0, 1))),
        neutral_(s.number("neutral", 0, "probability of no vote", between(0, 1))),
        hints_(s) {}

  Judgement judge(const Evidence& evidence, RandomStream& random) const override {
    Judgement judgement{.reward = evidence.reward, .hint = hints_.read(evidence, random)};
    if (evidence.tool) return judgement;
    const double error = evidence.reward > 0 ? false_negative_ : false_positive_;
    if (random.uniform() < error) judgement.reward = -judgement.reward;
    if (random.uniform() < neutral_) judgement.reward = 0;
    return judgement;
  }

 private:
  double false_positive_, false_negative_, neutral_;
  Hints hints_;
};

}  // namespace

std::unique_ptr<Judge> confusion(Settings& settings) { return std::make_unique<Confusion>(settings); }

}  // namespace shoal::judges
