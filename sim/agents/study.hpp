#pragma once
// A computer experiment that is repeated many times: a policy learns in a small world, and some numbers tell how it
// went.

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace shoal {

/// A study is const: a replicate is a function of the seed and its number, so replicates run anywhere and cells of a
/// grid are paired.
class Study {
 public:
  virtual ~Study() = default;
  /// Names of the outcomes and how many numbers each has.
  virtual std::vector<std::pair<std::string, std::int64_t>> outcomes() const = 0;
  /// All outcomes of one replicate, one after the other. Thread-safe.
  virtual std::vector<double> run(std::uint64_t seed, std::int64_t replicate) const = 0;
  /// The one number that tables show, smaller is better, from outcomes or their means.
  virtual double metric(const double* outcomes) const = 0;
};

}  // namespace shoal
