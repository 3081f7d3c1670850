#pragma once
// A choice between a few kinds (regions, tiers, models) with given shares.

#include <algorithm>
#include <numeric>
#include <string>
#include <vector>

#include "sim/settings/settings.hpp"

namespace shoal {

class Shares {
 public:
  /// Any weights >= 0, at least one above 0.
  explicit Shares(const std::vector<double>& weights) : ends_(weights.size()) {
    std::partial_sum(weights.begin(), weights.end(), ends_.begin());
  }
  /// From a list of `kinds` shares under `key`; equal ones if it is empty. UserError for another number of them.
  Shares(const Settings& s, const char* key, std::size_t kinds, const char* meaning)
      : Shares(read(s, key, kinds, meaning)) {}

  /// The kind at `draw`, uniform in [0, 1).
  int choose(double draw) const {
    const auto found = std::ranges::upper_bound(ends_, draw * ends_.back());
    return std::min(found - ends_.begin(), std::ssize(ends_) - 1);
  }

 private:
  static std::vector<double> read(const Settings& s, const char* key, std::size_t kinds, const char* meaning) {
    std::vector<double> weights = s.numbers(key, {}, meaning, at_least(0));
    if (weights.empty()) weights.assign(kinds, 1);
    const double sum = std::accumulate(weights.begin(), weights.end(), 0.0);
    if (kinds == 0 || weights.size() != kinds || !(sum > 0)) {
      user_error("{}: {} '{}' with a sum of {} ({} kinds are listed). List one share for each.", s.where(),
                 weights.size(), key, sum, kinds);
    }
    return weights;
  }

  std::vector<double> ends_;
};

}  // namespace shoal
