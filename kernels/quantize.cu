// Quantization on the device. A block of threads makes 1,024 codes in shared memory and writes them as whole words;
// codes are read back one by one, from bytes that neighbouring threads share.
#include <stdexcept>
#include <string>
#include <type_traits>

#include "kernels/device.hpp"
#include "kernels/quantize.hpp"
#include "kernels/quantize_bodies.hpp"

namespace shoal {
namespace {

using quantization::Rounding;
using quantization::segment;

constexpr std::int64_t codes_per_block = 1024;  // codes of any width then fill whole 32-bit words

// Sources of codes: source.four(row, first, count, out) gives up to four neighbouring codes of a row.

struct Rounded {
  RowView<const float> rows;
  const float* scales;
  int bits;
  const PhiloxStream* random;
  SHOAL_HD void four(std::int64_t row, std::int64_t first, int count, std::uint16_t* out) const {
    const Rounding rounding = Rounding::of(scales[row], bits);
    const PhiloxBlock words = random[row].block(first / 4);
    const float* x = rows.at(row) + first;
    for (int i = 0; i < count; ++i) out[i] = rounding.code(x[i], words[i]);
  }
};

struct Negative {
  RowView<const float> rows;
  SHOAL_HD void four(std::int64_t row, std::int64_t first, int count, std::uint16_t* out) const {
    for (int i = 0; i < count; ++i) out[i] = rows.at(row)[first + i] < 0 ? 1 : 0;
  }
};

struct Given {
  RowView<const std::uint16_t> codes;
  int bits;
  SHOAL_HD void four(std::int64_t row, std::int64_t first, int count, std::uint16_t* out) const {
    for (int i = 0; i < count; ++i) out[i] = codes.at(row)[first + i] & ((1u << bits) - 1u);
  }
};

template <class Source>
struct Pack {
  static constexpr int lanes = 256;
  struct Shared {
    std::uint16_t code[codes_per_block];
  };
  Source source;
  RowView<std::uint8_t> packed;
  std::int64_t count;  // codes per row
  int bits;

  SHOAL_HD void operator()(const Block& block, Shared& shared) const {
    const std::int64_t per_row = (count + codes_per_block - 1) / codes_per_block;
    const std::int64_t row = block.index() / per_row, first = block.index() % per_row * codes_per_block;
    block.each([&](int lane) {
      const std::int64_t at = first + 4 * lane, left = count - at;
      int here = left < 4 ? left : 4;
      if (here < 0) here = 0;
      if (here > 0) source.four(row, at, here, shared.code + 4 * lane);
      for (int i = here; i < 4; ++i) shared.code[4 * lane + i] = 0;
    });
    block.each([&](int lane) {
      std::uint8_t* out = packed.at(row) + first * bits / 8;
      const std::int64_t left = packed.columns() - first * bits / 8;
      for (int w = lane; w < codes_per_block / 32 * bits && 4 * w < left; w += lanes) {
        const int bit = 32 * w;
        std::uint32_t word = 0;
        for (int i = bit / bits; i * bits < bit + 32 && i < codes_per_block; ++i) {
          const std::uint32_t code = shared.code[i];
          word |= i * bits < bit ? code >> (bit - i * bits) : code << (i * bits - bit);
        }
        if (4 * w + 4 <= left)
          *reinterpret_cast<std::uint32_t*>(out + 4 * w) = word;
        else
          for (std::int64_t b = 0; 4 * w + b < left; ++b) out[4 * w + b] = word >> (8 * b);
      }
    });
  }
};

template <class Source>
void pack_from(OnDevice device, const Source& source, RowView<std::uint8_t> packed, std::int64_t rows,
               std::int64_t count, int bits) {
  require_size("packed rows", packed.rows(), rows);
  require_size("packed bytes of a row", packed.columns(), packed_bytes(count, bits));
  if (packed.stride() % 4 != 0 && rows > 1)
    throw std::invalid_argument("packed rows " + std::to_string(packed.stride()) +
                                " bytes apart (must be a multiple of 4)");
  const std::int64_t blocks = (count + codes_per_block - 1) / codes_per_block;
  run_blocks(device, rows * blocks, Pack<Source>{source, packed, count, bits});
}

SHOAL_HD std::uint32_t code_at(const std::uint8_t* packed, std::int64_t i, int bits) {
  const std::int64_t bit = i * bits;
  const int shift = bit % 8;
  const std::uint8_t* byte = packed + bit / 8;
  std::uint32_t code = byte[0];
  if (shift + bits > 8) code |= byte[1] << 8;
  if (shift + bits > 16) code |= byte[2] << 16;
  return code >> shift & ((1u << bits) - 1u);
}

struct Dequantize {
  RowView<float> out;
  RowView<const std::uint8_t> packed;
  const float* scales;
  int bits;
  SHOAL_HD void operator()(std::int64_t i) const {
    const std::int64_t row = i / out.columns(), column = i % out.columns();
    const int levels = largest_level(bits);
    const int code = code_at(packed.at(row), column, bits);
    out.at(row)[column] = (code - levels) * (scales[row] / levels);
  }
};

struct DequantizeSigns {
  RowView<float> out;
  RowView<const std::uint8_t> packed;
  const float* scales;
  SHOAL_HD void operator()(std::int64_t i) const {
    const std::int64_t row = i / out.columns(), column = i % out.columns();
    out.at(row)[column] = code_at(packed.at(row), column, 1) != 0 ? -scales[row] : scales[row];
  }
};

struct Unpack {
  RowView<std::uint16_t> codes;
  RowView<const std::uint8_t> packed;
  int bits;
  SHOAL_HD void operator()(std::int64_t i) const {
    const std::int64_t row = i / codes.columns(), column = i % codes.columns();
    codes.at(row)[column] = code_at(packed.at(row), column, bits);
  }
};

template <class Measure>
struct MeasureSegment {
  static constexpr int lanes = quantization::lanes;
  using Partial = typename Measure::Partial;
  struct Shared {
    Partial lane[lanes];
  };
  RowView<const float> rows;
  std::int64_t segments;
  Partial* out;  // [rows, segments]

  SHOAL_HD void operator()(const Block& block, Shared& shared) const {
    const float* x = rows.at(block.index() / segments);
    const std::int64_t begin = block.index() % segments * segment;
    const std::int64_t end = begin + segment < rows.columns() ? begin + segment : rows.columns();
    block.each([&](int lane) {
      Partial mine{};
      for (std::int64_t i = begin + lane; i < end; i += lanes) mine = Measure::add(mine, x[i]);
      shared.lane[lane] = mine;
    });
    for (int width = lanes / 2; width > 0; width /= 2)
      block.each([&](int lane) {
        if (lane < width) shared.lane[lane] = Measure::fold(shared.lane[lane], shared.lane[lane + width]);
      });
    block.each([&](int lane) {
      if (lane == 0) out[block.index()] = shared.lane[0];
    });
  }
};

template <class Measure>
struct FinishScale {
  const typename Measure::Partial* partial;
  std::int64_t segments, columns;
  float* scales;
  SHOAL_HD void operator()(std::int64_t row) const {
    typename Measure::Partial total{};
    for (std::int64_t s = 0; s < segments; ++s) total = Measure::fold(total, partial[row * segments + s]);
    scales[row] = Measure::finish(total, columns);
  }
};

template <class T>
void require_unpacked(RowView<T> out, RowView<const std::uint8_t> packed, int bits) {
  require_size("packed rows", packed.rows(), out.rows());
  require_size("packed bytes of a row", packed.columns(), packed_bytes(out.columns(), bits));
}

}  // namespace

void quantization_scales(OnDevice device, float* scales, RowView<const float> rows, ScaleRule rule) {
  quantization::with_measure(rule, [&](auto measure) {
    using Measure = decltype(measure);
    const std::int64_t segments = (rows.columns() + segment - 1) / segment;
    DeviceArray<typename Measure::Partial> partial(device, rows.rows() * segments);
    run_blocks(device, rows.rows() * segments, MeasureSegment<Measure>{rows, segments, partial.data()});
    run_elements(device, rows.rows(), FinishScale<Measure>{partial.data(), segments, rows.columns(), scales});
  });
}

void quantize(OnDevice device, RowView<std::uint8_t> packed, RowView<const float> rows, const float* scales, int bits,
              const PhiloxStream* random) {
  quantization::require_bits(bits, 2);
  pack_from(device, Rounded{rows, scales, bits, random}, packed, rows.rows(), rows.columns(), bits);
}

void dequantize(OnDevice device, RowView<float> out, RowView<const std::uint8_t> packed, const float* scales,
                int bits) {
  quantization::require_bits(bits, 2);
  require_unpacked(out, packed, bits);
  run_elements(device, out.rows() * out.columns(), Dequantize{out, packed, scales, bits});
}

void quantize_signs(OnDevice device, RowView<std::uint8_t> packed, RowView<const float> rows) {
  pack_from(device, Negative{rows}, packed, rows.rows(), rows.columns(), 1);
}

void dequantize_signs(OnDevice device, RowView<float> out, RowView<const std::uint8_t> packed, const float* scales) {
  require_unpacked(out, packed, 1);
  run_elements(device, out.rows() * out.columns(), DequantizeSigns{out, packed, scales});
}

void pack(OnDevice device, RowView<std::uint8_t> packed, RowView<const std::uint16_t> codes, int bits) {
  quantization::require_bits(bits, 1);
  pack_from(device, Given{codes, bits}, packed, codes.rows(), codes.columns(), bits);
}

void unpack(OnDevice device, RowView<std::uint16_t> codes, RowView<const std::uint8_t> packed, int bits) {
  quantization::require_bits(bits, 1);
  require_unpacked(codes, packed, bits);
  run_elements(device, codes.rows() * codes.columns(), Unpack{codes, packed, bits});
}

}  // namespace shoal
