#pragma once
// A minimum number of examples per client, for partitions that draw again until all clients have it.

#include <cstdint>
#include <functional>
#include <span>
#include <string>

#include "sim/settings/settings.hpp"

namespace shoal {

/// The setting `minimum` of a partition whose sizes follow a concentration (alpha, beta): the least number of examples
/// of a client.
class MinimumExamples {
 public:
  /// Reads `minimum`; `concentration` is the key of the setting that `value` was read from, for messages.
  MinimumExamples(const Settings& settings, std::string concentration, double value);

  /// UserError if `clients` cannot all have the minimum of `total` examples.
  void check(std::int64_t clients, std::int64_t total) const;
  /// Calls `sizes = draw(attempt)` for attempt 1, 2, ... until the smallest size reaches the minimum; UserError after a
  /// thousand attempts. With a minimum of 0 the first draw is taken.
  void draw_until_met(const std::function<std::span<const std::int64_t>(std::int64_t attempt)>& draw) const;

 private:
  std::int64_t minimum_;
  std::string concentration_;
  double value_;
  std::string where_;
};

}  // namespace shoal
