// In every period a client is available with a fixed probability, independently of all others and of other periods.
// Each client's periods begin at a moment of its own, so that the clients do not all change at once.

#include "sim/clients/periods.hpp"

namespace shoal::availability {
namespace {

class Bernoulli final : public Availability {
 public:
  explicit Bernoulli(const Settings& s)
      : spells_{.length = ticks(s.number("period", 3600, "seconds for which a draw holds", between(1, 1e9))),
                .probability =
                    s.number("probability", 0.5, "probability that a client is available in a period", between(0, 1))} {
  }

  void open(const Opening& opening) override { spells_.key = random_key(opening.seed, "clients/availability"); }

  Stretch at(const Who& who, Ticks time) const override { return spells_.at(who, time); }

 private:
  Spells spells_;
};

}  // namespace

std::unique_ptr<Availability> bernoulli(Settings& settings) { return std::make_unique<Bernoulli>(settings); }

}  // namespace shoal::availability
