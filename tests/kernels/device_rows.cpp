// Do rows on the device give the bits of the host's forms?
#include "kernels/device_rows.hpp"

#include <cmath>
#include <limits>
#include <numeric>

#include "kernels/vector_ops.hpp"
#include "tests/kernels/device_test.hpp"

namespace {

using namespace shoal;

constexpr std::int64_t clients = 3;

// Values of both signs and many magnitudes, none beyond 2.
template <class T>
std::vector<T> values(std::int64_t columns) {
  std::vector<T> made(static_cast<std::size_t>(clients * columns));
  for (std::size_t i = 0; i < made.size(); ++i) {
    made[i] = static_cast<T>(std::sin(static_cast<double>(i) * 1.7) * std::ldexp(1.0, static_cast<int>(i % 23) - 21));
  }
  return made;
}

template <class T>
class DeviceRows : public Device {};
using Types = testing::Types<float, double>;
TYPED_TEST_SUITE(DeviceRows, Types);

TYPED_TEST(DeviceRows, GiveTheHostsBits) {
  using T = TypeParam;
  const OnDevice device;
  for (const std::int64_t columns : {0, 1, 31, 257, 4097, 100'003}) {
    std::vector<T> host = values<T>(columns);
    DeviceArray<T> there(device, std::span<const T>(host));
    const RowView<const T> rows(host.data(), clients, columns), there_rows(there.data(), clients, columns);

    DeviceArray<RowRange> ranges(device, clients);
    scan_rows<T>(device, there_rows, ranges.data());
    std::vector<double> norms_here(clients);
    norms<T>(rows, norms_here);
    DeviceArray<double> norms_there(device, clients);
    norms_of_rows<T>(device, there_rows, norms_there.data());
    EXPECT_EQ(this->on_host(norms_there), norms_here) << columns;
    for (std::int64_t k = 0; k < clients; ++k) {
      const RowRange here = scan<T>(rows.row(k)), read = this->on_host(ranges)[static_cast<std::size_t>(k)];
      EXPECT_EQ(read.max_abs, here.max_abs);
      EXPECT_EQ(read.finite, here.finite);
    }

    const std::vector<std::int64_t> weights{600, 0, 7};
    const int exponent = unit_exponent(607, 2);
    std::vector<std::int64_t> sums(static_cast<std::size_t>(columns), 5);
    DeviceArray<std::int64_t> sums_there(device, std::span<const std::int64_t>(sums));
    const DeviceArray<std::int64_t> weights_there(device, std::span<const std::int64_t>(weights));
    accumulate_rows<T>(sums, rows, weights, exponent);
    add_rows<T>(device, sums_there.data(), there_rows, weights_there.data(), exponent);
    EXPECT_EQ(this->on_host(sums_there), sums);

    std::vector<T> mean(sums.size());
    DeviceArray<T> mean_there(device, mean.size());
    to_mean<T>(sums, exponent, 607, mean);
    mean_of_sums<T>(device, sums_there.data(), columns, exponent, 607, mean_there.data());
    EXPECT_EQ(this->on_host(mean_there), mean);

    const std::vector<double> factors{1, 1 / 3.0, -0.0};
    const DeviceArray<double> factors_there(device, std::span<const double>(factors));
    scale_rows<T>(RowView<T>(host.data(), clients, columns), factors);
    multiply_rows<T>(device, RowView<T>(there.data(), clients, columns), factors_there.data());
    EXPECT_EQ(this->on_host(there), host);
  }
}

TYPED_TEST(DeviceRows, SeeWhatIsNotFinite) {
  using T = TypeParam;
  const OnDevice device;
  const T infinity = std::numeric_limits<T>::infinity(), nan = std::numeric_limits<T>::quiet_NaN();
  for (const T bad : {infinity, -infinity, nan}) {
    for (const std::size_t at : {std::size_t{0}, std::size_t{255}, std::size_t{256}, std::size_t{999}}) {
      std::vector<T> host(2000, T{3});
      host[1000 + at] = bad;
      const DeviceArray<T> there(device, std::span<const T>(host));
      DeviceArray<RowRange> ranges(device, 2);
      scan_rows<T>(device, RowView<const T>(there.data(), 2, 1000), ranges.data());
      const std::vector<RowRange> read = this->on_host(ranges);
      EXPECT_TRUE(read[0].finite && read[0].max_abs == 3);
      EXPECT_TRUE(!read[1].finite && std::isinf(read[1].max_abs));
    }
  }
}

TYPED_TEST(DeviceRows, OfWeightZeroMayHoldAnything) {
  using T = TypeParam;
  const OnDevice device;
  const std::vector<T> host{std::numeric_limits<T>::quiet_NaN(), std::numeric_limits<T>::infinity(), 1, 2};
  const DeviceArray<T> there(device, std::span<const T>(host));
  const DeviceArray<std::int64_t> weights(device, std::span<const std::int64_t>(std::vector<std::int64_t>{0, 3}));
  DeviceArray<std::int64_t> sums(device, 2);
  sums.zero();
  add_rows<T>(device, sums.data(), RowView<const T>(there.data(), 2, 2), weights.data(), 4);
  EXPECT_EQ(this->on_host(sums), (std::vector<std::int64_t>{48, 96}));
}

}  // namespace
