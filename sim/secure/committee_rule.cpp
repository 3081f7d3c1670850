#include "sim/secure/committee_rule.hpp"

#include <algorithm>
#include <cmath>

#include "sim/error.hpp"
#include "sim/secure/hypergeometric.hpp"

namespace shoal {

std::optional<Committee> committee_rule(std::int64_t population, double corrupt, double dropout) {
  if (population < 1 || !(corrupt >= 0 && corrupt < 1 && dropout >= 0 && dropout < 1)) {
    user_error(
        "a committee drawn from {} parties, of which a share of {} is corrupt and one of {} is lost (both are from 0 "
        "on and "
        "below 1). Change these settings.",
        population, corrupt, dropout);
  }
  constexpr double guard = 1e-14;  // against products such as 0.29 * 100
  const double n = population;
  const std::int64_t marked = std::floor((corrupt + guard) * n);
  const std::int64_t surviving = std::ceil((1 - dropout - guard) * n);
  const double leak = std::exp2(-41), failure = std::exp2(-20);
  if (corrupt + 2 * dropout >= 1) return std::nullopt;  // a quorum is more than those who are expected to stay
  for (std::int64_t members = packed_coefficients + 2; members <= population; ++members) {
    const std::int64_t colluding = Hypergeometric(population, marked, members).exceeded_at_most(leak);
    // Polynomials of degree colluding + 15 open from one share more, and two quorums share an honest member.
    const std::int64_t needed = std::max(colluding + packed_coefficients, (members + colluding) / 2 + 1);
    if (needed > members) continue;
    if (Hypergeometric(population, surviving, members).below(needed) <= failure) {
      return Committee{.members = members, .corrupt = colluding, .needed = needed};
    }
  }
  return std::nullopt;
}

}  // namespace shoal
