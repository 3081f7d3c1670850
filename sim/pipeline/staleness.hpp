#pragma once
// Staleness of samples, and the admission rule that bounds it.

#include <algorithm>
#include <cstdint>
#include <limits>
#include <span>

namespace shoal::pipeline {

/// A staleness bound that admits any age.
inline constexpr std::int64_t unbounded = std::numeric_limits<std::int64_t>::max();

/// The admission rule of AReaL (arXiv 2505.24298), section 5.1, with the bound on concurrency of its code.
/// `accepted` counts the turns that the trainer has or had, `running` those on their way to it.
struct Admission {
  std::int64_t eta = 1, version = 0, batch = 1, accepted = 0, running = 0, max_concurrent = unbounded;

  /// Number of turns that may be admitted so that none is older than `eta` versions when it is trained. Negative where
  /// there are too many already.
  std::int64_t capacity() const {
    const std::int64_t free = max_concurrent - running;
    if (eta == unbounded) return free;
    return std::min(free, (eta + version + 1) * batch - (accepted + running));
  }
};

/// The age of the oldest token at the update from `version` to the next one; 0 for an empty reply.
inline std::int64_t staleness(std::int64_t version, std::span<const std::int64_t> token_versions) {
  if (token_versions.empty()) return 0;
  return version - *std::ranges::min_element(token_versions);
}

}  // namespace shoal::pipeline
