#pragma once
// Randomized Hadamard rotation: R x = H D x / sqrt(n) with random signs D and the Walsh-Hadamard matrix H. It spreads a
// vector's energy evenly over its coordinates before they are quantized. Suresh et al., ICML 2017 (arXiv 1611.00429),
// section 3; the rotation of DRIVE and EDEN (arXiv 2105.08339, 2108.08842).
//
// H needs a power of two. A row is cut into pieces of `block` values, a power of two, and only what is left at its end
// is padded with zeros to the next one. Padding the whole row could double what a client sends: 1,199,882 values would
// become 2,097,152; in blocks of 8,192 they become 1,200,128. A block as long as the padded row rotates the row as a
// whole.
//
// Butterflies run in one fixed order, stages of distance 1, 2, 4, ..., and only add and subtract; then each value is
// multiplied once by float(1 / sqrt(piece)). So host and device give the same bits.

#include <cstdint>
#include <span>

#include "kernels/launch.hpp"
#include "kernels/philox_stream.hpp"
#include "kernels/view.hpp"

namespace shoal {

/// Fits the shared memory of one block on the device and the first-level cache on the host (32 KiB).
inline constexpr std::int64_t hadamard_block = 8192;

/// Number of values of a rotated row of d values. Throws std::invalid_argument unless d >= 0 and block is a power of
/// two.
std::int64_t rotated_size(std::int64_t d, std::int64_t block = hadamard_block);

/// values <- H values, without the factor 1 / sqrt(n): H H = n I. Throws std::invalid_argument unless the size is a
/// power of two.
void walsh_hadamard(std::span<float> values);

/// out <- R row; out has rotated_size values. Coordinate i is negated if bit i % 32 of word i / 32 of `signs` is set.
/// Throws std::invalid_argument when the sizes do not agree.
void rotate(std::span<float> out, std::span<const float> row, std::int64_t block, const PhiloxStream& signs);

/// row <- the inverse of R of `rotated`, which is overwritten. R is orthogonal: the inverse is D H / sqrt(n).
void rotate_back(std::span<float> row, std::span<float> rotated, std::int64_t block, const PhiloxStream& signs);

/// The same on the device for K rows, each with its own signs in device memory.
void rotate(OnDevice device, RowView<float> out, RowView<const float> rows, std::int64_t block,
            const PhiloxStream* signs);
void rotate_back(OnDevice device, RowView<float> rows, RowView<float> rotated, std::int64_t block,
                 const PhiloxStream* signs);

}  // namespace shoal
