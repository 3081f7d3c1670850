// Has the rotation on the device the bits of the host, in one pass of shared memory and in several?
#include <gtest/gtest.h>

#include <random>
#include <vector>

#include "kernels/hadamard.hpp"
#include "tests/kernels/device_test.hpp"

namespace {

using shoal::DeviceArray;
using shoal::PhiloxStream;
using shoal::RowView;

TEST_F(Device, RotatesLikeTheHost) {
  constexpr std::int64_t rows = 2;
  const std::vector<PhiloxStream> signs = {{.key = {{1, 2}}, .row = {3, 4, 5}}, {.key = {{1, 2}}, .row = {9, 0, 0}}};
  const DeviceArray<PhiloxStream> device_signs(device, std::span<const PhiloxStream>(signs));
  for (const std::int64_t d : {0, 1, 31, 257, 20'000, 1'000'003})
    for (const std::int64_t block : {1, 4, 64, 8192, 16'384, 1 << 20, 1 << 22}) {
      if (d == 1'000'003 && block == 1) continue;  // a block of threads for each value
      if (d < 20'000 && block > 16'384) continue;
      const std::int64_t size = shoal::rotated_size(d, block);
      std::mt19937 random(1);
      std::normal_distribution<float> normal;
      std::vector<float> values(rows * d), rotated(rows * size);
      for (float& x : values) x = normal(random);
      const DeviceArray<float> there(device, std::span<const float>(values));
      DeviceArray<float> out(device, rotated.size()), back(device, values.size());
      shoal::rotate(device, RowView<float>(out.data(), rows, size), RowView<const float>(there.data(), rows, d), block,
                    device_signs.data());
      const RowView<float> host_out(rotated.data(), rows, size), host_rows(values.data(), rows, d);
      for (std::int64_t k = 0; k < rows; ++k) shoal::rotate(host_out.row(k), host_rows.row(k), block, signs[k]);
      EXPECT_EQ(on_host(out), rotated) << d << " in blocks of " << block;
      shoal::rotate_back(device, RowView<float>(back.data(), rows, d), RowView<float>(out.data(), rows, size), block,
                         device_signs.data());
      for (std::int64_t k = 0; k < rows; ++k) shoal::rotate_back(host_rows.row(k), host_out.row(k), block, signs[k]);
      EXPECT_EQ(on_host(back), values) << d << " in blocks of " << block;
    }
}

TEST_F(Device, RefusesRotatedRowsOfTheWrongSize) {
  float memory[8] = {};
  EXPECT_THROW(shoal::rotate(device, RowView<float>(memory, 1, 7), RowView<const float>(memory, 1, 7), 8, nullptr),
               std::invalid_argument);
}

}  // namespace
