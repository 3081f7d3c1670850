#pragma once
// Few bits per value: stochastic rounding (QSGD: Alistarh et al., NeurIPS 2017, arXiv 1610.02132, section 3), ternary
// (TernGrad: Wen et al., NeurIPS 2017, arXiv 1705.07878, section 3) and scaled signs.
//
// A code of b bits is a level from -s to s, s = 2^(b - 1) - 1, stored as level + s; a value is level * scale / s.
// TernGrad is b = 2 (s = 1) with the row's largest magnitude as its scale. Codes are packed without gaps: code i of a
// row takes bits b i .. b i + b - 1, where bit j is bit j % 8, from the least significant one, of byte j / 8.
//
// Rounding is unbiased up to float's own: E value = x (1 + O(2^-23)) for |x| <= scale. It draws word i of the row's
// stream for coordinate i. Host and device give the same bits.

#include <cstdint>
#include <span>

#include "kernels/launch.hpp"
#include "kernels/philox_stream.hpp"
#include "kernels/view.hpp"

namespace shoal {

inline constexpr int most_code_bits = 16;

/// Bytes of `count` codes of `bits` bits.
constexpr std::int64_t packed_bytes(std::int64_t count, int bits) { return (count * bits + 7) / 8; }

/// The largest level s of codes of `bits` bits, 2 to 16.
SHOAL_HD constexpr int largest_level(int bits) { return (1 << (bits - 1)) - 1; }

/// The scale of a row's codes.
enum class ScaleRule {
  l2_norm,         // QSGD; the normalised mean squared error is at most min(d / s^2, sqrt(d) / s)
  largest,         // the largest magnitude, as in TernGrad
  mean_magnitude,  // the scale of least error for signs
};

/// The scale of a row; 0 for an empty row. Not finite if the row is not, or if its norm exceeds the range of float.
float quantization_scale(std::span<const float> row, ScaleRule rule);

/// Writes packed_bytes(row.size(), bits) bytes. Bits: 2 to 16. Magnitudes above the scale count as the scale; a scale
/// of 0 gives level 0. A range of a row may be quantized alone: `first` is its first coordinate, a multiple of 8, so
/// that it starts with a byte. Throws std::invalid_argument on other bits or sizes, and unless the scale is finite and
/// not negative: a row that is not finite must be rejected, and its scale shows it.
void quantize(std::span<std::uint8_t> packed, std::span<const float> row, float scale, int bits,
              const PhiloxStream& random, std::int64_t first = 0);

/// out[i] = level i * (scale / s).
void dequantize(std::span<float> out, std::span<const std::uint8_t> packed, float scale, int bits);

/// One bit per value, set if the value is negative; zeros of both signs count as positive.
void quantize_signs(std::span<std::uint8_t> packed, std::span<const float> row);
/// out[i] = scale, or -scale if the bit is set.
void dequantize_signs(std::span<float> out, std::span<const std::uint8_t> packed, float scale);

/// Codes of 1 to 16 bits, packed as above. Higher bits of a code are ignored.
void pack(std::span<std::uint8_t> packed, std::span<const std::uint16_t> codes, int bits);
void unpack(std::span<std::uint16_t> codes, std::span<const std::uint8_t> packed, int bits);

// The same on the device, for K rows of d values; a row's packed bytes start at a multiple of 4 bytes. Scales and
// streams are one per row, in device memory. Values are not checked: a scale that is not finite gives arbitrary codes.

void quantization_scales(OnDevice device, float* scales, RowView<const float> rows, ScaleRule rule);
void quantize(OnDevice device, RowView<std::uint8_t> packed, RowView<const float> rows, const float* scales, int bits,
              const PhiloxStream* random);
void dequantize(OnDevice device, RowView<float> out, RowView<const std::uint8_t> packed, const float* scales, int bits);
void quantize_signs(OnDevice device, RowView<std::uint8_t> packed, RowView<const float> rows);
void dequantize_signs(OnDevice device, RowView<float> out, RowView<const std::uint8_t> packed, const float* scales);
void pack(OnDevice device, RowView<std::uint8_t> packed, RowView<const std::uint16_t> codes, int bits);
void unpack(OnDevice device, RowView<std::uint16_t> codes, RowView<const std::uint8_t> packed, int bits);

}  // namespace shoal
