#pragma once
// How clients took part: the use of their time, bytes and energy, and how evenly contributions are spread.

#include <array>
#include <cstdint>
#include <map>
#include <vector>

#include "experiments/program/summary.hpp"

namespace shoal {

/// Contributions of one tier of devices.
struct TierUse {
  std::int64_t participations = 0, accepted = 0;
};

/// Over all cells of a label.
struct Usage {
  std::int64_t participations = 0, accepted = 0;
  double device_seconds = 0, wasted_seconds = 0;  // virtual, from start to finish; wasted: those not accepted
  double bytes = 0, wasted_bytes = 0;             // down and up
  double joules = 0;                              // proxy: power x time
  double concurrency = 0;                         // mean number of clients at work: device time over virtual time
  std::int64_t most_at_work = 0;                  // largest number of clients at work at one instant
  double busy = not_measured;          // concurrency over the most at work: the rest waited for a round's end
  double busiest_rank = not_measured;  // work of the busiest rank over the mean; NaN on one rank
  std::map<std::int64_t, std::int64_t> staleness;  // server updates between download and use -> accepted ones
  std::map<std::int64_t, TierUse> tiers;           // by tier; a single one if devices are of one kind
  /// Mean over cells: accepted contributions of each client from the fewest to the most, as the share that the poorest
  /// i/100 of all clients made, i = 0 .. 100 (Lorenz curve).
  std::array<double, 101> lorenz{};
  double gini = not_measured;  // 0: all alike, 1: one client made all; mean over cells
  /// Mean number of clients at work in each hour of the virtual day, NaN in hours that were never reached.
  std::array<double, 24> by_hour{};
  double virtual_seconds = 0;  // duration of the longest cell

  double mean_staleness() const;
};

Usage usage_of(const LabelSummary& summary);

/// The Gini coefficient of non-negative counts in ascending order, among `clients` in all (those not listed count 0).
/// Gini 1912: half the relative mean difference. NaN if all counts are 0.
double gini(const std::vector<std::int64_t>& ascending, std::int64_t clients);

}  // namespace shoal
