// A judge that tosses a fair coin for every turn. A control: it shows what remains of an objective when votes carry no
// information.

#include "strategies/judges/shared/hints.hpp"

namespace shoal::judges {
namespace {

class Coin final : public Judge {
 public:
  explicit Coin(const Settings& s) : hints_(s) {}

  Judgement judge(const Evidence& evidence, RandomStream& random) const override {
    const Hint hint = hints_.read(evidence, random);
    const double vote = random.uniform() < 0.5 ? 1.0 : -1.0;
    return {.reward = vote, .hint = hint, .mean_vote = vote};
  }

 private:
  Hints hints_;
};

}  // namespace

std::unique_ptr<Judge> coin(Settings& settings) { return std::make_unique<Coin>(settings); }

}  // namespace shoal::judges
