#pragma once
// The examples of a data set, as a task reads them: batches gathered by position, and what partitions may see.

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "sim/nn/form.hpp"

namespace shoal {

/// Examples in memory, or in a file that is mapped into it. Read-only, shared by all cells and threads of a process;
/// features stay in their storage type (uint8 images stay uint8) until a batch is gathered.
class ExampleStore {
 public:
  virtual ~ExampleStore() = default;
  virtual const Form& form() const = 0;
  virtual std::int64_t count() const = 0;

  /// Writes the examples at `positions`, in this order, to the first rows of `to`. Tensors of `to` that are defined
  /// are written in place: they may have more rows than there are positions (and, for sequences, more columns than the
  /// longest of them), which become zeros. Undefined ones are made, without spare rows. `to.weights` is left alone, and
  /// so is `to.mask` in a store without sequences.
  virtual void gather(std::span<const std::int32_t> positions, Gathered& to) const = 0;
  /// Number of targets that count at these positions: of examples, or of tokens that have a target.
  virtual std::int64_t targets(std::span<const std::int32_t> positions) const { return std::ssize(positions); }
  /// Tokens of the longest sequence at these positions; 0 in a store without sequences.
  virtual std::int64_t longest(std::span<const std::int32_t>) const { return 0; }

  /// [n], each 0 to form().classes - 1; empty unless targets are labels.
  virtual std::span<const std::int32_t> labels() const = 0;
  /// [n], number of the person (or other group) that an example is from; empty where unknown.
  virtual std::span<const std::int32_t> groups() const = 0;
  /// The bytes of all that is stored, array by array, in an order that never changes: features, targets, groups.
  virtual std::vector<std::span<const std::byte>> contents() const = 0;
};

}  // namespace shoal
