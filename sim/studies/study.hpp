#pragma once
// A computer experiment that is repeated many times: a policy learns in a small world, and each repetition has a few
// numbers as its outcomes.

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace shoal {

/// A study is immutable. A replicate is a function of the seed and its number, so replicates run on any rank and
/// thread, and cells of a grid are paired.
class Study {
 public:
  virtual ~Study() = default;
  /// Names of the outcomes and the number of values of each.
  virtual std::vector<std::pair<std::string, std::int64_t>> outcomes() const = 0;
  /// Largest magnitude of an outcome; a replicate beyond it is rejected.
  virtual double largest_outcome() const { return 256; }
  /// All outcomes of one replicate, one after the other. Thread-safe.
  virtual std::vector<double> run(std::uint64_t seed, std::int64_t replicate) const = 0;
  /// The metric, by which replicates and cells are compared: its name, its unit, and its value from outcomes or their
  /// means. Smaller is better.
  virtual std::string metric_name() const = 0;
  virtual std::string metric_unit() const = 0;
  virtual double metric(const double* outcomes) const = 0;
  /// Digest of the study's inputs, such as weights; empty if it has none.
  virtual std::string digest() const { return ""; }
};

}  // namespace shoal
