// Has quantization on the device the bits of the host?
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <random>
#include <vector>

#include "kernels/quantize.hpp"
#include "tests/kernels/device_test.hpp"

namespace {

using shoal::DeviceArray;
using shoal::PhiloxStream;
using shoal::RowView;
using shoal::ScaleRule;

constexpr std::int64_t rows = 2;
constexpr std::int64_t sizes[] = {0, 1, 31, 257, 1'000'003};

std::vector<float> random_rows(std::int64_t d) {
  std::mt19937 random(1);
  std::normal_distribution<float> normal;
  std::vector<float> values(rows * d);
  for (float& x : values) x = normal(random);
  return values;
}

// Row starts are multiples of 4 bytes, as the device wants them.
std::int64_t stride_of(std::int64_t d, int bits) { return (shoal::packed_bytes(d, bits) + 3) / 4 * 4; }

template <class T>
RowView<T> view(T* data, std::int64_t columns, std::int64_t stride) {
  return {data, rows, columns, stride};
}

TEST_F(Device, ScalesEqualTheHost) {
  for (const std::int64_t d : sizes)
    for (const ScaleRule rule : {ScaleRule::l2_norm, ScaleRule::largest, ScaleRule::mean_magnitude}) {
      const auto values = random_rows(d);
      const DeviceArray<float> there(device, std::span<const float>(values));
      DeviceArray<float> scales(device, rows);
      shoal::quantization_scales(device, scales.data(), view(there.data(), d, d), rule);
      const auto found = on_host(scales);
      for (std::int64_t k = 0; k < rows; ++k)
        EXPECT_EQ(found[k], shoal::quantization_scale(view(values.data(), d, d).row(k), rule)) << d;
    }
  const std::vector<float> bad = {1, std::numeric_limits<float>::quiet_NaN()};
  const DeviceArray<float> there(device, std::span<const float>(bad));
  DeviceArray<float> scales(device, rows);
  shoal::quantization_scales(device, scales.data(), view(there.data(), 1, 1), ScaleRule::largest);
  EXPECT_EQ(on_host(scales)[0], 1);
  EXPECT_TRUE(std::isnan(on_host(scales)[1]));
}

TEST_F(Device, QuantizesLikeTheHost) {
  const std::vector<PhiloxStream> streams = {{.key = {{1, 2}}, .row = {3, 4, 5}}, {.key = {{6, 7}}, .row = {8, 9, 0}}};
  const DeviceArray<PhiloxStream> device_streams(device, std::span<const PhiloxStream>(streams));
  for (const std::int64_t d : sizes)
    for (const int bits : {2, 3, 7, 8, 11, 16}) {
      const auto values = random_rows(d);
      const std::vector<float> scales = {3, 1e-39f};  // the second row is far above its scale
      const std::int64_t bytes = shoal::packed_bytes(d, bits), stride = stride_of(d, bits);
      const DeviceArray<float> there(device, std::span<const float>(values));
      const DeviceArray<float> device_scales(device, std::span<const float>(scales));
      DeviceArray<std::uint8_t> packed(device, rows * stride);
      packed.zero();
      shoal::quantize(device, view(packed.data(), bytes, stride), view(there.data(), d, d), device_scales.data(), bits,
                      device_streams.data());
      std::vector<std::uint8_t> expected(packed.size());
      std::vector<float> back(values.size());
      for (std::int64_t k = 0; k < rows; ++k) {
        const std::size_t row = k;
        const auto bytes_of_row = view(expected.data(), bytes, stride).row(k);
        shoal::quantize(bytes_of_row, view(values.data(), d, d).row(k), scales[row], bits, streams[row]);
        shoal::dequantize(view(back.data(), d, d).row(k), bytes_of_row, scales[row], bits);
      }
      EXPECT_EQ(on_host(packed), expected) << d << ", " << bits << " bits";
      DeviceArray<float> device_back(device, back.size());
      shoal::dequantize(device, view(device_back.data(), d, d),
                        view(static_cast<const std::uint8_t*>(packed.data()), bytes, stride), device_scales.data(),
                        bits);
      EXPECT_EQ(on_host(device_back), back) << d << ", " << bits << " bits";
    }
}

TEST_F(Device, TakesSignsLikeTheHost) {
  for (const std::int64_t d : sizes) {
    const auto values = random_rows(d);
    const std::vector<float> scales = {0.5f, 2};
    const std::int64_t bytes = shoal::packed_bytes(d, 1), stride = stride_of(d, 1);
    const DeviceArray<float> there(device, std::span<const float>(values));
    const DeviceArray<float> device_scales(device, std::span<const float>(scales));
    DeviceArray<std::uint8_t> packed(device, rows * stride);
    packed.zero();
    shoal::quantize_signs(device, view(packed.data(), bytes, stride), view(there.data(), d, d));
    std::vector<std::uint8_t> expected(packed.size());
    std::vector<float> back(values.size());
    for (std::int64_t k = 0; k < rows; ++k) {
      const auto bytes_of_row = view(expected.data(), bytes, stride).row(k);
      shoal::quantize_signs(bytes_of_row, view(values.data(), d, d).row(k));
      shoal::dequantize_signs(view(back.data(), d, d).row(k), bytes_of_row, scales[k]);
    }
    EXPECT_EQ(on_host(packed), expected) << d;
    DeviceArray<float> device_back(device, back.size());
    shoal::dequantize_signs(device, view(device_back.data(), d, d),
                            view(static_cast<const std::uint8_t*>(packed.data()), bytes, stride), device_scales.data());
    EXPECT_EQ(on_host(device_back), back) << d;
  }
}

TEST_F(Device, PacksLikeTheHost) {
  for (const std::int64_t d : {0, 1, 31, 257, 10'007})
    for (int bits = 1; bits <= 16; ++bits) {
      std::mt19937 random(2);
      std::vector<std::uint16_t> codes(rows * d), back(codes.size());
      for (auto& code : codes) code = random();
      const std::int64_t bytes = shoal::packed_bytes(d, bits), stride = stride_of(d, bits);
      const DeviceArray<std::uint16_t> there(device, std::span<const std::uint16_t>(codes));
      DeviceArray<std::uint16_t> device_back(device, codes.size());
      DeviceArray<std::uint8_t> packed(device, rows * stride);
      packed.zero();
      shoal::pack(device, view(packed.data(), bytes, stride), view(there.data(), d, d), bits);
      std::vector<std::uint8_t> expected(packed.size());
      for (std::int64_t k = 0; k < rows; ++k) {
        const auto bytes_of_row = view(expected.data(), bytes, stride).row(k);
        shoal::pack(bytes_of_row, view(codes.data(), d, d).row(k), bits);
        shoal::unpack(view(back.data(), d, d).row(k), bytes_of_row, bits);
      }
      EXPECT_EQ(on_host(packed), expected) << d << ", " << bits << " bits";
      shoal::unpack(device, view(device_back.data(), d, d),
                    view(static_cast<const std::uint8_t*>(packed.data()), bytes, stride), bits);
      EXPECT_EQ(on_host(device_back), back) << d << ", " << bits << " bits";
    }
}

TEST_F(Device, RefusesPackedRowsThatDoNotFit) {
  float values[64] = {}, scales[2] = {};
  std::uint8_t packed[64] = {};
  const PhiloxStream streams[2] = {};
  const auto quantize = [&](std::int64_t bytes, std::int64_t stride, int bits) {
    shoal::quantize(device, view(packed, bytes, stride), view(values, 8, 8), scales, bits, streams);
  };
  EXPECT_THROW(quantize(3, 4, 2), std::invalid_argument);
  EXPECT_THROW(quantize(2, 6, 2), std::invalid_argument);
  EXPECT_THROW(quantize(2, 4, 1), std::invalid_argument);
  EXPECT_THROW(quantize(2, 4, 17), std::invalid_argument);
}

}  // namespace
