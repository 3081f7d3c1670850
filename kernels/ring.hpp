#pragma once
// Arithmetic of the rings Z_{2^32} and Z_{2^64}, in which masked updates are summed: Word = std::uint32_t or
// std::uint64_t. Wrap-around is the modulus, so addition and subtraction cost no more than their memory accesses, and
// sums over clients do not depend on their order.
//
// A value x of a client with integer weight w enters as rint(x 2^exponent) w, half to even, in two's complement: the
// rule of fixed_point.hpp with the ring's own width. All functions exist for T = float and double. Host and device give
// the same bits.

#include <cstdint>
#include <span>

#include "kernels/launch.hpp"

namespace shoal {

/// Bits that hold any sum of `summands` inputs in [0, 2^input_bits - 1]: ceil(log2(summands (2^input_bits - 1) + 1)).
/// Throws std::invalid_argument unless summands >= 1, 1 <= input_bits <= 32 and the result is at most 64.
int ring_bits(std::int64_t summands, int input_bits);

/// The largest exponent at which values of magnitude up to `bound` with weights of `total_weight` in all cannot leave
/// the ring's signed range: total_weight * bound * 2^exponent < 2^(bits - 2); one bit is left for rounding errors.
/// Throws std::invalid_argument unless both are positive and total_weight is at most 2^(bits - 2).
template <class Word>
int ring_exponent(double total_weight, double bound);

/// out[i] = rint(row[i] 2^exponent) weight. Throws std::overflow_error, with `out` unspecified, when a product leaves
/// (-2^(bits - 1), 2^(bits - 1)) or a value is not finite; std::invalid_argument unless the sizes agree.
template <class Word, class T>
void ring_encode(std::span<Word> out, std::span<const T> row, std::int64_t weight, int exponent);

/// sum[i] += x[i] and sum[i] -= x[i].
template <class Word>
void ring_add(std::span<Word> sum, std::span<const Word> x);
template <class Word>
void ring_subtract(std::span<Word> sum, std::span<const Word> x);

/// out[i] = sum[i], read as a signed number, times 2^-exponent / total_weight, in double and then rounded to T. Throws
/// std::invalid_argument unless the sizes agree and total_weight is positive and finite.
template <class Word, class T>
void ring_decode(std::span<T> out, std::span<const Word> sum, int exponent, double total_weight);

// The same on the device, for `size` values.

/// A value that does not fit or is not finite becomes 0 and is counted in *failed, in device memory; nothing waits for
/// it here.
template <class Word, class T>
void ring_encode(OnDevice device, Word* out, const T* row, std::int64_t size, std::int64_t weight, int exponent,
                 std::uint32_t* failed);
template <class Word>
void ring_add(OnDevice device, Word* sum, const Word* x, std::int64_t size);
template <class Word>
void ring_subtract(OnDevice device, Word* sum, const Word* x, std::int64_t size);
template <class Word, class T>
void ring_decode(OnDevice device, T* out, const Word* sum, std::int64_t size, int exponent, double total_weight);

}  // namespace shoal
