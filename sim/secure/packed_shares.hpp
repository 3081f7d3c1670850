#pragma once
// Shares of whole key polynomials for a committee (Franklin and Yung, STOC 1992): each polynomial over the field holds
// 16 coefficients of the key as its values at 16 fixed points and as many random ones as members may be corrupt, so
// that their shares say nothing. Shares of several keys add up to shares of the sum of the keys.

#include <span>
#include <vector>

#include "sim/secure/committee_rule.hpp"
#include "sim/secure/lattice.hpp"

namespace shoal {

inline constexpr std::int64_t share_words = lattice_degree / packed_coefficients;  // words of one key for one member

class PackedShares {
 public:
  explicit PackedShares(const Committee& committee);

  /// The shares of `key` [2048] for all members, [members][128].
  std::vector<std::vector<Coefficient>> share(std::span<const Coefficient> key, const Key256& randomness) const;
  /// The key whose shares the members `from` hold: exactly corrupt + 16 of them.
  std::vector<Coefficient> rebuild(std::span<const std::int32_t> from,
                                   std::span<const std::vector<Coefficient>> shares) const;
  std::int64_t members_needed() const { return committee_.corrupt + packed_coefficients; }

 private:
  Committee committee_;
  std::vector<std::vector<Coefficient>> basis_;  // [members][corrupt + 16]: from values at the fixed points to shares
};

}  // namespace shoal
