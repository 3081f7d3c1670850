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
  /// Largest magnitude of a number among the outcomes; a replicate beyond it is rejected.
  virtual double largest_outcome() const { return 256; }
  /// All outcomes of one replicate, one after the other. Thread-safe.
  virtual std::vector<double> run(std::uint64_t seed, std::int64_t replicate) const = 0;
  /// The one number by which replicates and cells are compared: its name and unit, and its value from outcomes or their
  /// means. Smaller is better.
  virtual std::string metric_name() const = 0;
  virtual std::string metric_unit() const = 0;
  virtual double metric(const double* outcomes) const = 0;
  /// Digest of what the study reads, such as weights; empty where it reads nothing.
  virtual std::string digest() const { return ""; }
};

}  // namespace shoal
