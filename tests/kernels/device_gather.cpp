// Are images picked, scaled and turned to channels last, on the host and on the device?
#include "kernels/gather.hpp"

#include "tests/kernels/device_test.hpp"

namespace {

using namespace shoal;

TEST_F(Device, GathersCompactImages) {
  // Two images of 2 channels and 3 pixels; channels last they read 10 40 20 50 30 60 and so on.
  const std::vector<std::uint8_t> images{10, 20, 30, 40, 50, 60, 11, 21, 31, 41, 51, 61};
  const std::vector<std::int32_t> labels{7, 3}, positions{1, -1, 0, 1};
  const std::vector<float> expected{6.5F, 21.5F, 11.5F, 26.5F, 16.5F, 31.5F, 0,    0,     0,     0,     0,     0,
                                    6,    21,    11,    26,    16,    31,    6.5F, 21.5F, 11.5F, 26.5F, 16.5F, 31.5F};
  const std::vector<std::int64_t> expected_labels{3, 0, 7, 3};
  ImageTable<std::uint8_t> table{images.data(), labels.data(), 2, 3, 0.5F, 1};
  std::vector<float> values(24);
  const ImageGroups pairs{values.data(), 2, 12};
  std::vector<std::int64_t> found(4);
  gather(table, positions, pairs, found.data());
  EXPECT_EQ(values, expected);
  EXPECT_EQ(found, expected_labels);

  const DeviceArray<std::uint8_t> images_there(device, std::span<const std::uint8_t>(images));
  const DeviceArray<std::int32_t> labels_there(device, std::span<const std::int32_t>(labels));
  const DeviceArray<std::int32_t> positions_there(device, std::span<const std::int32_t>(positions));
  DeviceArray<float> values_there(device, 24);
  DeviceArray<std::int64_t> found_there(device, 4);
  table.values = images_there.data();
  table.labels = labels_there.data();
  gather(device, table, positions_there.data(), 4, ImageGroups{values_there.data(), 2, 12}, found_there.data());
  EXPECT_EQ(on_host(values_there), expected);
  EXPECT_EQ(on_host(found_there), expected_labels);
}

TEST_F(Device, LeavesGapsBetweenGroupsAlone) {
  const std::vector<float> images{1, 2, 3};
  const std::vector<std::int32_t> labels{4, 5, 6}, positions{0, 1, 2, -1};
  const std::vector<float> untouched(8, 9), expected{1, 2, 9, 9, 3, 0, 9, 9};  // pairs that start four values apart
  ImageTable<float> table{images.data(), labels.data()};
  std::vector<float> values = untouched;
  std::vector<std::int64_t> found(4);
  gather(table, positions, ImageGroups{values.data(), 2, 4}, found.data());
  EXPECT_EQ(values, expected);

  const DeviceArray<float> images_there(device, std::span<const float>(images));
  const DeviceArray<std::int32_t> labels_there(device, std::span<const std::int32_t>(labels));
  const DeviceArray<std::int32_t> positions_there(device, std::span<const std::int32_t>(positions));
  DeviceArray<float> values_there(device, std::span<const float>(untouched));
  DeviceArray<std::int64_t> found_there(device, 4);
  table.values = images_there.data();
  table.labels = labels_there.data();
  gather(device, table, positions_there.data(), 4, ImageGroups{values_there.data(), 2, 4}, found_there.data());
  EXPECT_EQ(on_host(values_there), expected);
}

TEST_F(Device, GathersTheSameBitsAsTheHost) {
  for (const std::size_t count : {0, 1, 31, 257, 100'003}) {
    const std::vector<float> images{0.1F, -2.5F, 3e8F, 0.7F, 1e-30F, 4};
    const std::vector<std::int32_t> labels{4, 0, 9};
    std::vector<std::int32_t> positions(count);
    for (std::size_t i = 0; i < count; ++i) {
      const std::int32_t image = i * 7 % 4;
      positions[i] = image - 1;  // -1 to 2
    }
    ImageTable<float> table{images.data(), labels.data(), 2, 1, 1 / 3.0F, -0.3F};
    std::vector<float> values(2 * count);
    std::vector<std::int64_t> found(count);
    gather(table, positions, ImageGroups{values.data(), 1, 2}, found.data());

    const DeviceArray<float> images_there(device, std::span<const float>(images));
    const DeviceArray<std::int32_t> labels_there(device, std::span<const std::int32_t>(labels));
    const DeviceArray<std::int32_t> positions_there(device, std::span<const std::int32_t>(positions));
    DeviceArray<float> values_there(device, 2 * count);
    DeviceArray<std::int64_t> found_there(device, count);
    table.values = images_there.data();
    table.labels = labels_there.data();
    gather(device, table, positions_there.data(), count, ImageGroups{values_there.data(), 1, 2}, found_there.data());
    EXPECT_EQ(on_host(values_there), values);
    EXPECT_EQ(on_host(found_there), found);
  }
}

}  // namespace
