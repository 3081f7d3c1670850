// Two states, on and off, that end at constant rates: stretches are exponential with the given means, and the share of
// time that is on is mean_on / (mean_on + mean_off), from the first instant on. Drawn by uniformization: the state is
// drawn anew, on with that share, at the events of a Poisson process of rate 1 / mean_on + 1 / mean_off. This is
// exactly the two-state chain, since from either state the other is entered at its rate; and it needs no history, since
// the last event before any instant tells the state. The events of each cell of time are a function of (seed, client,
// cell).

#include <cmath>

#include "sim/clients/availability.hpp"

namespace shoal::availability {
namespace {

constexpr double events_per_cell = 4;           // mean; without any (probability e^-4) the cell before is searched
constexpr std::int64_t first_cell = 1LL << 31;  // number of the cell at virtual time 0; cells before it have events too
constexpr std::int64_t most_cells_back = 1'000;  // probability of so many cells without events: e^-4000

class Markov final : public Availability {
 public:
  explicit Markov(const Settings& s)
      : on_(s.number("mean_on", 3600, "mean length of a stretch of availability, seconds", between(1, 1e9))),
        off_(s.number("mean_off", 10800, "mean length of a stretch of absence, seconds", between(1, 1e9))),
        share_(on_ / (on_ + off_)),
        gap_(1 / (1 / on_ + 1 / off_)),
        cell_(ticks(events_per_cell * gap_)) {}

  void open(const Opening& opening) override { key_ = random_key(opening.seed, "clients/availability"); }

  Stretch at(const Who& who, Ticks time) const override {
    const std::int64_t now = value(time) / value(cell_);
    Seen seen = look(who.client, now, time);
    Stretch stretch{false, seen.next};
    for (std::int64_t back = 1; !seen.any; ++back) {
      ensure(back < most_cells_back, "no change of availability in {} cells", back);
      seen = look(who.client, now - back, never);
    }
    stretch.on = seen.on;
    return stretch;
  }

 private:
  // The events of one cell up to and including `time`: whether there are any, the state that the last of them drew, and
  // the first instant after `time` at which the state may change, at the latest the end of the cell.
  struct Seen {
    bool any = false, on = false;
    Ticks next{};
  };
  Seen look(ClientId client, std::int64_t cell, Ticks time) const {
    RandomStream random(key_, value(client), first_cell + cell);
    const Ticks begin{cell * value(cell_)}, end = begin + cell_;
    Seen seen{.next = end};
    for (double passed = 0;;) {
      passed -= std::log(1 - random.uniform()) * gap_;
      const Ticks event = begin + ticks(passed);
      if (event >= end) return seen;
      if (event > time) {
        seen.next = event;
        return seen;
      }
      seen.any = true;
      seen.on = random.uniform() < share_;
    }
  }

  double on_, off_, share_, gap_;  // seconds; gap: mean time between events
  Ticks cell_;
  RandomKey key_;
};

}  // namespace

std::unique_ptr<Availability> markov(Settings& settings) { return std::make_unique<Markov>(settings); }

}  // namespace shoal::availability
