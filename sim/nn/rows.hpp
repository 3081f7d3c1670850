#pragma once
// The updates of K clients, one client per row, in the form that suits them: dense, sparse, factored or words. All
// forms answer the same questions, so that the engine and the aggregators never ask which one they hold. A codec that
// makes or reads another form includes its header: sparse_rows.hpp, factored_rows.hpp, word_rows.hpp.

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "sim/files/packing.hpp"
#include "sim/participation.hpp"
#include "sim/random.hpp"

namespace shoal {

struct FactoredRows;
struct SparseRows;
struct WordFormat;
struct WordRows;

/// A fixed-point sum (kernels/fixed_point.hpp) in the memory of the host or a GPU.
struct SumView {
  std::int64_t* values;
  std::int64_t size;
  /// On a GPU, the place in which kernels note the first row that did not fit (`require_no_row`). The host throws
  /// std::overflow_error instead and leaves it alone; null is fine there.
  std::int64_t* bad_row;
  at::Device device;
};

/// Updates [K, d] on the way from training to the sum. `norms` and `bounds` wait for the device.
///
/// Copies share their memory; `scale` changes it in place, and so do codecs.
class Rows {
 public:
  Rows() = default;
  /// Dense rows, float32 or float64, contiguous; a [d] tensor is one row. Shares the tensor.
  Rows(at::Tensor dense);  // NOLINT(google-explicit-constructor): a strategy returns tensor expressions
  /// The other forms. BrokenInvariant if their parts do not fit together.
  Rows(SparseRows rows);    // NOLINT(google-explicit-constructor): as above
  Rows(FactoredRows rows);  // NOLINT(google-explicit-constructor)
  Rows(WordRows rows);      // NOLINT(google-explicit-constructor)

  std::int64_t count() const;   // K
  std::int64_t width() const;   // d
  at::ScalarType type() const;  // type of dense()
  at::Device device() const;

  /// The rows as [K, d]: dense rows share their tensor, other forms fill a new one at each call.
  at::Tensor dense() const;
  /// The parts of one form; null in every other form.
  const SparseRows* sparse() const;
  const FactoredRows* factored() const;
  const WordRows* integers() const;
  /// The values that row k stores, 1 x n: all d of a dense row, the entries of a sparse one. Shares their memory, so a
  /// quantizer may write its values there. Other forms store no values (BrokenInvariant).
  at::Tensor stored(std::int64_t k) const;

  /// Euclidean norm of each row.
  std::vector<double> norms() const;
  /// A bound on the magnitudes of each row's values, not finite where a value is not. The largest magnitude itself but
  /// for factored rows, whose bound is cheaper than their product.
  std::vector<double> bounds() const;
  /// Multiplies row k by factors[k], in place. Words have been rounded, and allow the factor 1 alone (BrokenInvariant).
  void scale(std::span<const double> factors);

  /// sum += weights[k] * rint(row k * 2^exponent) over all rows, exactly: any form gives the integers of its dense
  /// rows, but factored rows are multiplied out and rounded once for all, and words must not lose bits (BrokenInvariant
  /// if their own exponent is larger). Rows of weight 0 take no part, whatever they hold. The caller has checked
  /// `bounds` against the channel's bound. On a GPU the work is queued on the current stream.
  void add_to(const SumView& sum, std::span<const std::int64_t> weights, int exponent) const;
  /// sum += rint(row k * weights[k] * 2^exponent): for weights that are not whole. Rounded after the product, so that
  /// small values keep the sum's whole resolution.
  void add_weighted(const SumView& sum, std::span<const double> weights, int exponent) const;
  /// The rows as words of the format, each times its weight; rows of weight 0 become zeros, whatever they hold. Random
  /// rounding draws for block[k], by coordinate; `nearest` leaves key and block alone. Computed on the host, where the
  /// words then lie. Throws std::overflow_error, naming the row, where a word does not fit (see also `conditional`).
  Rows words(const WordFormat& format, std::span<const std::int64_t> weights, RandomKey key = {},
             std::span<const Participation> block = {}) const;

  /// The same rows in memory of their own: training reuses its buffers.
  Rows kept() const;
  /// The rows on that device; shares their memory if they are there already.
  Rows to(at::Device device) const;

  void pack(Packer& packer) const;
  /// The rows in the form in which they were packed, on the host. Checks every size, UserError if one is wrong; the
  /// caller checks count, width and type against what it expects before it makes them dense.
  static Rows unpack(Unpacker& unpacker);

 private:
  struct Other;

  template <class Use>
  auto with_other(const Use& use) const;
  void require_places(const SumView& sum, std::size_t weights) const;

  at::Tensor dense_;                    // undefined in the other forms
  std::shared_ptr<const Other> other_;  // null for dense rows, which thus cost no allocation
};

}  // namespace shoal
