// Do bodies written once run as element, row and block on the host, with the phases in order?
#include "kernels/launch.hpp"

#include <gtest/gtest.h>

#include <cstdint>
#include <numeric>
#include <vector>

#include "kernels/view.hpp"

namespace {

struct Square {
  const int* from;
  int* to;
  SHOAL_HD void operator()(std::int64_t i) const { to[i] = from[i] * from[i]; }
};

struct SubtractFirst {
  shoal::RowView<int> rows;
  SHOAL_HD void operator()(shoal::Row row) const {
    int* values = rows.at(row.index());
    const int first = values[0];
    row.each(rows.columns(), [&](std::int64_t column) { values[column] -= first; });
  }
};

// Every lane sums its stride, then the lanes fold in halves: the same tree on host and device.
struct SumPerBlock {
  static constexpr int lanes = 32;
  struct Shared {
    std::int64_t partial[lanes];
  };
  const std::int64_t* values;
  std::int64_t per_block;
  std::int64_t* out;

  SHOAL_HD void operator()(const shoal::Block& block, Shared& shared) const {
    const std::int64_t* mine = values + block.index() * per_block;
    block.each([&](int lane) {
      shared.partial[lane] = 0;
      for (std::int64_t i = lane; i < per_block; i += lanes) shared.partial[lane] += mine[i];
    });
    for (int width = lanes / 2; width > 0; width /= 2)
      block.each([&](int lane) {
        if (lane < width) shared.partial[lane] += shared.partial[lane + width];
      });
    block.each([&](int lane) {
      if (lane == 0) out[block.index()] = shared.partial[0];
    });
  }
};

struct Histogram {
  static constexpr int lanes = 64;
  struct Shared {
    int bin[8];
  };
  const int* values;
  int count;
  int* out;

  SHOAL_HD void operator()(const shoal::Block& block, Shared& shared) const {
    block.each([&](int lane) {
      if (lane < 8) shared.bin[lane] = 0;
    });
    block.each([&](int lane) {
      for (int i = lane; i < count; i += block.lanes()) shoal::Block::add(shared.bin[values[i] % 8], 1);
    });
    block.each([&](int lane) {
      if (lane < 8) out[lane] = shared.bin[lane];
    });
  }
};

TEST(Launch, ElementVisitsEveryIndexOnce) {
  for (const int n : {0, 1, 31, 257}) {
    std::vector<int> from(n), to(n, -1);
    std::iota(from.begin(), from.end(), 0);
    shoal::run_elements(shoal::OnHost{}, n, Square{from.data(), to.data()});
    for (int i = 0; i < n; ++i) ASSERT_EQ(to[i], i * i);
  }
}

TEST(Launch, RowSeesItsOwnColumnsOnly) {
  std::vector<int> values = {5, 6, 7, 99, 1, 3, 9, 99};  // stride 4, columns 3
  shoal::run_rows(shoal::OnHost{}, 2, SubtractFirst{{values.data(), 2, 3, 4}});
  EXPECT_EQ(values, (std::vector<int>{0, 1, 2, 99, 0, 2, 8, 99}));
}

TEST(Launch, BlockReducesThroughPhases) {
  for (const std::int64_t per_block : {0, 1, 31, 257, 1'000'003}) {
    std::vector<std::int64_t> values(3 * per_block), out(3, -1);
    std::iota(values.begin(), values.end(), -7);
    shoal::run_blocks(shoal::OnHost{}, 3, SumPerBlock{values.data(), per_block, out.data()});
    for (int b = 0; b < 3; ++b) {
      const auto first = values.begin() + b * per_block;
      EXPECT_EQ(out[b], std::accumulate(first, first + per_block, std::int64_t{0}));
    }
  }
}

TEST(Launch, BlockCountsIntoSharedBins) {
  std::vector<int> values(1003), bins(8, -1);
  std::iota(values.begin(), values.end(), 0);
  shoal::run_blocks(shoal::OnHost{}, 1, Histogram{values.data(), 1003, bins.data()});
  EXPECT_EQ(bins, (std::vector<int>{126, 126, 126, 125, 125, 125, 125, 125}));
}

}  // namespace
