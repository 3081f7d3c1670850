#pragma once
// The size of the committee of decryptors in one-shot secure aggregation.

#include <cstdint>
#include <optional>

namespace shoal {

/// Coefficients of a key that one polynomial of shares holds.
inline constexpr std::int64_t packed_coefficients = 16;

struct Committee {
  std::int64_t members = 0;
  std::int64_t corrupt = 0;  // at most so many members are, but for a probability of 2^-41
  std::int64_t needed = 0;   // members that open a sum: enough shares, and a majority of the honest ones
  bool operator==(const Committee&) const = default;
};

/// The smallest committee that is drawn at random from `population` members, of which shares of `corrupt` collude with
/// the server and of `dropout` are lost, and that fails to open a sum with a probability of at most 2^-20. Nothing if
/// none does.
std::optional<Committee> committee_rule(std::int64_t population, double corrupt, double dropout);

}  // namespace shoal
