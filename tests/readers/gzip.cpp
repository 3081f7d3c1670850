// Does a packed file give its contents or one clear error, whatever happened to it?

#include "datasets/readers/gzip.hpp"

#include <random>

#include "datasets/readers/digest.hpp"
#include "tests/readers/files.hpp"

namespace shoal {
namespace {

using namespace shoal::testing;
using readers::gunzip;
using readers::read_file;

Bytes noise(std::size_t n) {
  std::mt19937 random(7);
  Bytes content(n);
  for (std::uint8_t& byte : content) byte = static_cast<std::uint8_t>(random() % 23);
  return content;
}

TEST(Gzip, PlainAndPackedGiveTheSame) {
  const Folder folder;
  for (const std::size_t n : {0, 1, 2, 1000, 65535, 65536, 65537, 300000}) {
    const Bytes content = noise(n);
    EXPECT_EQ(read_file(folder.write("plain", content)), content) << n;
    EXPECT_EQ(read_file(folder.write("packed.gz", gzip(content))), content) << n;
  }
}

TEST(Gzip, MembersFollowEachOther) {
  Bytes packed = gzip(bytes("one "));
  const Bytes second = gzip(bytes("two"));
  packed.insert(packed.end(), second.begin(), second.end());
  EXPECT_EQ(gunzip(packed, "x"), bytes("one two"));
}

TEST(Gzip, CutAnywhere) {
  const Folder folder;
  const Bytes packed = gzip(noise(300));
  for (std::size_t n = 2; n < packed.size(); ++n) {
    const std::string path = folder.write("cut.gz", prefix(packed, n));
    EXPECT_TRUE(contains(user_error_of([&] { read_file(path); }), "cut short")) << n;
  }
}

TEST(Gzip, AnyFlippedBitIsSeenOrHarmless) {
  const Bytes content = noise(200);
  const Bytes packed = gzip(content);
  for (std::size_t bit = 0; bit < 8 * packed.size(); ++bit) {
    Bytes flipped = packed;
    flipped[bit / 8] ^= static_cast<std::uint8_t>(1 << (bit % 8));
    try {
      EXPECT_EQ(gunzip(flipped, "x"), content) << bit;  // header fields that carry no data
    } catch (const UserError&) {
    }
  }
}

TEST(Gzip, SomethingAfterTheEnd) {
  Bytes packed = gzip(bytes("contents"));
  packed.push_back(0);
  EXPECT_TRUE(contains(user_error_of([&] { gunzip(packed, "x.gz"); }), "1 bytes after the end"));
  packed.back() = 0x1f;
  user_error_of([&] { gunzip(packed, "x.gz"); });
}

TEST(Gzip, UnpackedSizeIsLimited) {
  // 64 MiB of zeros in 64 KiB.
  const Folder folder;
  const std::string path = folder.write("bomb.gz", gzip(Bytes(64 << 20)));
  EXPECT_TRUE(contains(user_error_of([&] { read_file(path, 1 << 20); }), "more than 1048576 bytes"));
  EXPECT_EQ(read_file(path, 64 << 20).size(), std::size_t{64 << 20});
  EXPECT_TRUE(contains(user_error_of([&] { read_file(path, (64 << 20) - 1); }), "more than"));
}

TEST(Gzip, PlainSizeIsLimited) {
  const Folder folder;
  const std::string path = folder.write("plain", noise(5000));
  EXPECT_EQ(read_file(path, 5000).size(), 5000U);
  EXPECT_TRUE(contains(user_error_of([&] { read_file(path, 4999); }), "5000 bytes (at most 4999"));
  // A sparse file that claims a tebibyte is refused by its size, before any memory is asked for.
  std::filesystem::resize_file(path, std::uintmax_t{1} << 40);
  EXPECT_TRUE(contains(user_error_of([&] { read_file(path); }), "1099511627776 bytes"));
}

TEST(Gzip, NoFile) {
  const Folder folder;
  EXPECT_TRUE(contains(user_error_of([&] { read_file(folder.path() + "/none"); }), "does not exist"));
  EXPECT_TRUE(contains(user_error_of([&] { read_file(folder.path()); }), "is a folder"));
  EXPECT_TRUE(contains(user_error_of([&] { read_file("/dev/zero"); }), "no regular file"));
  const std::string path = folder.write("file", bytes("x"));
  user_error_of([&] { read_file(path + "/below"); });
}

TEST(Digest, PublishedValues) {
  // FIPS 180-2, appendix B.
  EXPECT_EQ(readers::sha256(bytes("abc")), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(readers::sha256({}), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  readers::Sha256 pieces;
  pieces.add(bytes("a"));
  pieces.add({});
  pieces.add(bytes("bc"));
  EXPECT_EQ(pieces.hex(), readers::sha256(bytes("abc")));
}

}  // namespace
}  // namespace shoal
