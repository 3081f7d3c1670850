// Available with a probability that swings over the local day: a(t) = mean (1 + A cos(2 pi (t - peak) / 24 h)), where a
// ratio r of peak to trough needs A = (r - 1) / (r + 1). A production population swings four-fold, A = 0.6: Bonawitz et
// al., MLSys 2019 (arXiv 1902.01046). Within a session, a period that begins at a moment of each client's own, a client
// is available while a(t) is above a threshold that is uniform in [0, 1): its probability is a(t) at every instant, and
// it changes at most twice. Zones of local time are those of [population.regions].

#include <cmath>
#include <numbers>

#include "sim/clients/periods.hpp"

namespace shoal::availability {
namespace {

class Diurnal final : public Availability {
 public:
  explicit Diurnal(const Settings& s)
      : mean_(s.number("mean", 0.25, "availability, averaged over the day", between(0, 1))),
        ratio_(s.number("ratio", 4, "availability at the peak over that at the trough", between(1, 1e9))),
        swing_((ratio_ - 1) / (ratio_ + 1)),
        peak_(ticks(3600 * s.number("peak_hour", 2, "local hour of the peak", between(0, 24)))),
        session_(ticks(s.number("session", 3600, "seconds for which a client's threshold holds", between(1, 86400)))) {
    if (mean_ * (1 + swing_) > 1 + 1e-9) {
      user_error(
          "{}: availability would be {:.3g} at the peak, mean (1 + A) with A = {:.3g} (at most 1). Lower 'mean'.",
          s.where(), mean_ * (1 + swing_), swing_);
    }
  }

  void open(const Opening& opening) override { key_ = random_key(opening.seed, "clients/availability"); }

  Stretch at(const Who& who, Ticks time) const override {
    const auto [index, end] = period_of(who, key_, session_, time);
    const double threshold = who.draws(key_, index).uniform();

    // On where cos(angle) > level, within `half` of the peak.
    if (threshold >= mean_ * (1 + swing_)) return {false, end};
    if (threshold < mean_ * (1 - swing_)) return {true, end};
    const double level = (threshold / mean_ - 1) / swing_;
    const std::int64_t half = std::acos(std::clamp(level, -1.0, 1.0)) / (2 * std::numbers::pi) * value(day);
    const std::int64_t whole = value(day), since = ((value(who.local(time)) - value(peak_)) % whole + whole) % whole;
    // Microseconds since the last peak: on before `half`, and again from `whole - half` on.
    if (since < half) return {true, std::min(end, time + Ticks{half - since})};
    if (since < whole - half) return {false, std::min(end, time + Ticks{whole - half - since})};
    return {true, std::min(end, time + Ticks{whole + half - since})};
  }

 private:
  double mean_, ratio_, swing_;
  Ticks peak_, session_;
  RandomKey key_;
};

}  // namespace

std::unique_ptr<Availability> diurnal(Settings& settings) { return std::make_unique<Diurnal>(settings); }

}  // namespace shoal::availability
