#pragma once
// The ledger of turns: produced = consumed + dropped + resident, at any time.

#include <array>
#include <cstdint>
#include <string_view>

namespace shoal::pipeline {

/// The reason for which a turn is not trained on.
enum class Reason : std::int8_t {
  expired,       // no state followed before its session expired
  no_signal,     // the objective does not take it
  malformed,     // its log-probabilities do not fit its tokens
  not_finite,    // its reward or a log-probability is not finite
  not_admitted,  // the trainer could not use it within the staleness bound
  overflow,      // a queue was full
  stale,         // one of its tokens is older than the staleness bound
  leftover,      // a batch was taken without it, and the settings drop such turns
};
inline constexpr std::array<std::string_view, 8> reasons{"expired",      "no_signal", "malformed", "not_finite",
                                                         "not_admitted", "overflow",  "stale",     "leftover"};

/// Counts of turns. Every component that holds turns has a ledger of its own; added up, they must account for all.
///
/// To add them up while turns are on their way, a ledger travels behind the turns, from collection over judging to
/// training, and each component adds its own. Letters between two components keep their order, so no turn is between
/// two components that have both added theirs.
struct Ledger {
  std::int64_t produced = 0, consumed = 0;
  std::array<std::int64_t, reasons.size()> dropped{};
  std::int64_t resident = 0;  // turns that components hold

  void drop(Reason reason) { ++dropped[static_cast<int>(reason)]; }
  std::int64_t all_dropped() const;
  Ledger& operator+=(const Ledger& other);
  /// Throws BrokenInvariant unless every turn was consumed once, or dropped once, or is still held.
  void check() const;

  friend bool operator==(const Ledger&, const Ledger&) = default;
};

}  // namespace shoal::pipeline
