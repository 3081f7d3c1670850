// Does an IDX file give exactly what its header says, or one clear error?

#include "datasets/readers/idx.hpp"

#include "tests/datasets/readers/files.hpp"

namespace shoal {
namespace {

using namespace shoal::testing;
using readers::IdxArray;
using readers::IdxType;
using readers::parse_idx;
using readers::read_idx;

constexpr readers::IdxExpected labels{.type = IdxType::uint8, .dimensions = 1};
constexpr readers::IdxExpected images{.type = IdxType::uint8, .dimensions = 3};
constexpr readers::IdxExpected writers{.type = IdxType::int32, .dimensions = 2};

const Bytes two_images = idx(0x08, {2, 2, 3}, {0, 1, 2, 3, 4, 5, 250, 251, 252, 253, 254, 255});

TEST(Idx, ReadsBytes) {
  const IdxArray array = parse_idx(two_images, "x", images);
  EXPECT_EQ(array.shape, (std::vector<std::int64_t>{2, 2, 3}));
  EXPECT_EQ(array.bytes, (Bytes{0, 1, 2, 3, 4, 5, 250, 251, 252, 253, 254, 255}));
  EXPECT_TRUE(array.ints.empty());
}

TEST(Idx, ReadsIntegers) {
  const IdxArray array = parse_idx(
      idx(0x0c, {2, 2}, {0, 0, 0, 7, 0xff, 0xff, 0xff, 0xff, 0x12, 0x34, 0x56, 0x78, 0x80, 0, 0, 0}), "x", writers);
  EXPECT_EQ(array.shape, (std::vector<std::int64_t>{2, 2}));
  EXPECT_EQ(array.ints, (std::vector<std::int32_t>{7, -1, 0x12345678, INT32_MIN}));
  EXPECT_TRUE(array.bytes.empty());
}

TEST(Idx, ReadsPlainAndPackedFiles) {
  const Folder folder;
  EXPECT_EQ(read_idx(folder.write("plain", two_images), images).bytes, parse_idx(two_images, "x", images).bytes);
  EXPECT_EQ(read_idx(folder.write("packed", gzip(two_images)), images).bytes, parse_idx(two_images, "x", images).bytes);
}

TEST(Idx, ReadsArraysWithoutElements) {
  EXPECT_EQ(parse_idx(idx(0x08, {0}, {}), "x", labels).shape, (std::vector<std::int64_t>{0}));
  EXPECT_TRUE(parse_idx(idx(0x08, {0, 28, 28}, {}), "x", images).bytes.empty());
}

TEST(Idx, NoticesCutAndTooLongFiles) {
  const Folder folder;
  for (const bool packed : {false, true}) {
    for (std::size_t n = 0; n < two_images.size(); ++n) {
      const Bytes cut = prefix(two_images, n);
      const std::string path = folder.write("cut", packed ? gzip(cut) : cut);
      EXPECT_TRUE(contains(user_error_of([&] { read_idx(path, images); }), path)) << n;
    }
    Bytes longer = two_images;
    longer.push_back(0);
    const std::string path = folder.write("long", packed ? gzip(longer) : longer);
    EXPECT_TRUE(contains(user_error_of([&] { read_idx(path, images); }), "13 bytes after its header (expected 12"));
  }
}

TEST(Idx, NoticesFlippedBitsInTheHeader) {
  for (std::size_t bit = 0; bit < 8 * 16; ++bit) {
    Bytes flipped = two_images;
    flipped[bit / 8] ^= 1 << (bit % 8);
    const std::string text = user_error_of([&] { parse_idx(flipped, "x", images); });
    EXPECT_TRUE(contains(text, bit < 32 ? "expected 0x00000803" : "after its header")) << text;
  }
}

TEST(Idx, AllocatesNothingForHugeExtents) {
  const std::uint32_t huge = 0xffffffffU;
  EXPECT_TRUE(contains(user_error_of([&] { parse_idx(idx(0x08, {huge}, {1, 2}), "x", labels); }), "4294967295"));
  user_error_of([&] { parse_idx(idx(0x08, {huge, huge, huge}, {1, 2}), "x", images); });
  user_error_of([&] { parse_idx(idx(0x0c, {huge, huge}, {1, 2, 3, 4}), "x", writers); });
  // Products that come out right modulo 2^64.
  user_error_of([&] { parse_idx(idx(0x08, {1U << 31, 1U << 31, 4}, {}), "x", images); });
  user_error_of([&] { parse_idx(idx(0x0c, {1U << 31, 1U << 31}, {}), "x", writers); });
}

TEST(Idx, RefusesAnotherKindOfArray) {
  EXPECT_TRUE(contains(user_error_of([&] { parse_idx(two_images, "x", labels); }), "0x00000803 (expected 0x00000801"));
  EXPECT_TRUE(contains(user_error_of([&] { parse_idx(idx(0x0d, {1}, {0, 0, 0, 0}), "x", labels); }), "0x00000d01"));
  EXPECT_TRUE(contains(user_error_of([&] { parse_idx(bytes("<!doctype html>"), "x", labels); }), "0x3c21646f"));
}

TEST(Idx, MapsPlainFilesAndLeavesPackedOnes) {
  const Folder folder;
  const std::string plain = folder.write("plain", two_images);
  const auto mapped = readers::map_idx(plain, 3);
  ASSERT_TRUE(mapped.has_value());
  const readers::IdxArray read = read_idx(plain, images);
  EXPECT_EQ(mapped->shape, read.shape);
  EXPECT_TRUE(std::ranges::equal(mapped->bytes, read.bytes));
  EXPECT_FALSE(readers::map_idx(folder.write("packed", gzip(two_images)), 3).has_value());
  for (std::size_t n = 0; n < two_images.size(); ++n) {
    const std::string cut = folder.write(fmt::format("cut{}", n), prefix(two_images, n));
    EXPECT_EQ(user_error_of([&] { readers::map_idx(cut, 3); }), user_error_of([&] { read_idx(cut, images); }));
  }
}

TEST(Idx, FindsNamesWithDashOrDotPackedOrNot) {
  const std::string stem = "t10k-labels-idx1-ubyte";
  for (const std::string name :
       {"t10k-labels-idx1-ubyte", "t10k-labels-idx1-ubyte.gz", "t10k-labels.idx1-ubyte", "t10k-labels.idx1-ubyte.gz"}) {
    const Folder folder;
    EXPECT_EQ(readers::find_idx(folder.path(), stem), "");
    const std::string path = folder.write(name, {});
    EXPECT_EQ(readers::find_idx(folder.path(), stem), path);
    user_error_of([&] { read_idx(path, labels); });  // empty
  }
  EXPECT_EQ(readers::find_idx("/nowhere/at/all", stem), "");
}

}  // namespace
}  // namespace shoal
