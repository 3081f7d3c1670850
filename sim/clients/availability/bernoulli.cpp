// In every period a client is available with a fixed probability, independently of all others and of other periods.
// Each client's periods begin at a moment of its own, so that the population never turns over at once.

#include "sim/clients/availability.hpp"
#include "sim/random.hpp"

namespace shoal::availability {
namespace {

class Bernoulli final : public Availability {
 public:
  explicit Bernoulli(const Settings& s)
      : probability_(s.number("probability", 0.5, "that a client is available in a period", between(0, 1))),
        period_(ticks(s.number("period", 3600, "seconds for which a draw holds", between(1, 1e9)))) {}

  Stretch at(const Who& who, Ticks time) const override {
    const RandomKey key = random_key(who.seed, Purpose::availability);
    const auto phase = static_cast<std::int64_t>(
        RandomStream(key, value(who.client)).below(static_cast<std::uint64_t>(value(period_))));
    const std::int64_t index = 1 + (value(time) + phase) / value(period_);  // 0 is the stream of the phase
    const bool on = RandomStream(key, value(who.client), index).uniform() < probability_;
    return {on, Ticks{index * value(period_) - phase}};
  }

 private:
  double probability_;
  Ticks period_;
};

}  // namespace

std::unique_ptr<Availability> bernoulli(Settings& settings) { return std::make_unique<Bernoulli>(settings); }

}  // namespace shoal::availability
