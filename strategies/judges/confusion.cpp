// A judge with given error rates: its majority vote is the truth, flipped with a probability for each kind of error. A
// failed turn judged +1 is a false positive: its rate is 0.37 in one reproduction of OpenClaw-RL (arXiv 2603.10165), 0
// for an oracle, and 1 for a judge that is always content. Tool results are judged without error. The error rates are
// those of the majority when no call fails; those of a single vote follow from them.
//
// As in OpenClaw-RL, a blind judge has not read the conversation: it sees the reply and the next state alone. What the
// next state shows, if the world provides it, replaces the truth: a user who gives up and asks something else seems
// content, and a user who repeats a request does not, even if only to get another example.

#include "strategies/judges/shared/hints.hpp"
#include "strategies/judges/shared/votes.hpp"

namespace shoal::judges {
namespace {

// The truth as the next state shows it.
double apparent(const Evidence& evidence) {
  switch (evidence.shows) {
    case NextState::moved_on:
    case NextState::tool_ok:
      return 1;
    case NextState::repeated:
    case NextState::corrected:
    case NextState::tool_error:
      return -1;
    case NextState::unknown:
      break;
  }
  return evidence.reward;
}

class Confusion final : public Judge {
 public:
  explicit Confusion(const Settings& s)
      : votes_(s),
        false_positive_(votes_.single_rate(
            s.number("false_positive", 0, "probability of +1 for a reply that failed", between(0, 1)))),
        false_negative_(votes_.single_rate(
            s.number("false_negative", 0, "probability of -1 for a reply that satisfied the user", between(0, 1)))),
        neutral_(s.number("neutral", 0, "probability of no vote", between(0, 1))),
        blind_(s.choice("context", true, {{"blind", true}, {"full", false}},
                        "what it reads: the reply and the next state, or the conversation too")),
        hints_(s) {}

  Judgement judge(const Evidence& evidence, RandomStream& random) const override {
    const double right = blind_ ? apparent(evidence) : evidence.reward;
    Judgement judgement{.reward = right, .hint = hints_.read(evidence, random), .mean_vote = right};
    const double error = right > 0 ? false_negative_ : false_positive_;
    if (!votes_.single()) {
      votes_.cast(judgement, right, evidence.tool ? 0 : error, random);
    } else if (!evidence.tool && random.uniform() < error) {
      judgement.reward = -right;
      judgement.mean_vote = -right;
    }
    if (!evidence.tool && random.uniform() < neutral_) {
      judgement.reward = 0;
      judgement.mean_vote = 0;
      judgement.valid = 0;
    }
    votes_.spend(judgement, random);
    return judgement;
  }

 private:
  Votes votes_;
  double false_positive_, false_negative_, neutral_;
  bool blind_;
  Hints hints_;
};

}  // namespace

std::unique_ptr<Judge> confusion(Settings& settings) { return std::make_unique<Confusion>(settings); }

}  // namespace shoal::judges
