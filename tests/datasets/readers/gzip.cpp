// Does a packed file give its contents or one clear error, whatever happened to it?

#include "datasets/readers/gzip.hpp"

#include <random>

#include "tests/datasets/readers/files.hpp"

namespace shoal {
namespace {

using namespace shoal::testing;
using readers::gunzip;
using readers::read_unpacked;

Bytes noise(std::size_t n) {
  std::mt19937 random(7);
  Bytes content(n);
  for (std::uint8_t& byte : content) byte = random() % 23;
  return content;
}

TEST(Gzip, ReadsPlainAndPackedAlike) {
  const Folder folder;
  for (const std::size_t n : {0, 1, 2, 1000, 65535, 65536, 65537, 300000}) {
    const Bytes content = noise(n);
    EXPECT_EQ(read_unpacked(folder.write("plain", content)), content) << n;
    EXPECT_EQ(read_unpacked(folder.write("packed.gz", gzip(content))), content) << n;
  }
}

TEST(Gzip, ReadsSeveralMembers) {
  Bytes packed = gzip(bytes("one "));
  const Bytes second = gzip(bytes("two"));
  packed.insert(packed.end(), second.begin(), second.end());
  EXPECT_EQ(gunzip(packed, "x"), bytes("one two"));
}

TEST(Gzip, NoticesCutFiles) {
  const Folder folder;
  const Bytes packed = gzip(noise(300));
  for (std::size_t n = 2; n < packed.size(); ++n) {
    const std::string path = folder.write("cut.gz", prefix(packed, n));
    EXPECT_TRUE(contains(user_error_of([&] { read_unpacked(path); }), "cut short")) << n;
  }
}

TEST(Gzip, NoticesHarmfulFlippedBits) {
  const Bytes content = noise(200);
  const Bytes packed = gzip(content);
  std::size_t refused = 0;
  for (std::size_t bit = 0; bit < 8 * packed.size(); ++bit) {
    Bytes flipped = packed;
    flipped[bit / 8] ^= 1 << (bit % 8);
    try {
      EXPECT_EQ(gunzip(flipped, "x"), content) << bit;  // header fields that carry no data
    } catch (const UserError&) {
      ++refused;
    }
  }
  EXPECT_GT(refused, 4 * packed.size());
}

TEST(Gzip, RefusesBytesAfterTheEnd) {
  Bytes packed = gzip(bytes("contents"));
  packed.push_back(0);
  EXPECT_TRUE(contains(user_error_of([&] { gunzip(packed, "x.gz"); }), "1 bytes after the end"));
  packed.back() = 0x1f;
  user_error_of([&] { gunzip(packed, "x.gz"); });
}

TEST(Gzip, LimitsTheUnpackedSize) {
  // 64 MiB of zeros in 64 KiB.
  const Folder folder;
  const std::string path = folder.write("bomb.gz", gzip(Bytes(64 << 20)));
  EXPECT_TRUE(contains(user_error_of([&] { read_unpacked(path, 1 << 20); }), "more than 1048576 bytes"));
  EXPECT_EQ(read_unpacked(path, 64 << 20).size(), std::size_t{64 << 20});
  EXPECT_TRUE(contains(user_error_of([&] { read_unpacked(path, (64 << 20) - 1); }), "more than"));
}

TEST(Gzip, LimitsThePlainSize) {
  const Folder folder;
  const std::string path = folder.write("plain", noise(5000));
  EXPECT_EQ(read_unpacked(path, 5000).size(), 5000U);
  EXPECT_TRUE(contains(user_error_of([&] { read_unpacked(path, 4999); }), "5000 bytes (at most 4999"));
  // A sparse file that claims a tebibyte is refused by its size, before any memory is allocated.
  std::filesystem::resize_file(path, std::uintmax_t{1} << 40);
  EXPECT_TRUE(contains(user_error_of([&] { read_unpacked(path); }), "1099511627776 bytes"));
}

TEST(Gzip, RefusesWhatIsNoFile) {
  const Folder folder;
  EXPECT_TRUE(contains(user_error_of([&] { read_unpacked(folder.path() + "/none"); }), "no such file or directory"));
  EXPECT_TRUE(contains(user_error_of([&] { read_unpacked(folder.path()); }), "is a directory"));
  EXPECT_TRUE(contains(user_error_of([&] { read_unpacked("/dev/zero"); }), "not a regular file"));
  const std::string path = folder.write("file", bytes("x"));
  user_error_of([&] { read_unpacked(path + "/below"); });
}

}  // namespace
}  // namespace shoal
