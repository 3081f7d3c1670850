// Is a file that differs from what was published reported with the expected and the found hash?

#include "datasets/sources/shared/published.hpp"

#include "sim/digest.hpp"
#include "sim/files/inputs.hpp"
#include "tests/datasets/readers/files.hpp"

namespace shoal {
namespace {

using namespace shoal::testing;

std::string sha(const Bytes& content) { return sha256(std::as_bytes(std::span(content))); }

TEST(Published, FilesAreCompared) {
  const Folder folder;
  const Bytes images = idx(8, {2, 2, 2}, {0, 1, 2, 3, 4, 5, 6, 7}), packed = gzip(images);
  const std::string packed_sha = sha(packed), contents_sha = sha(images);
  const PublishedFile file{"images", packed_sha, contents_sha};
  const auto doubt = [&](const Bytes& content) {
    const std::string path = folder.write("images", content);
    const InputRecord record;
    check_published(path, file);
    return record.files().at(0).doubt;
  };
  EXPECT_EQ(doubt(packed), "");
  EXPECT_EQ(doubt(images), "");
  Bytes packed_otherwise = gzip(images);
  packed_otherwise[4] = 1;  // gzip's time of packing
  EXPECT_EQ(doubt(packed_otherwise), "");
  for (std::size_t at : {std::size_t{4}, std::size_t{16}, images.size() - 1}) {
    Bytes changed = images;
    changed[at] ^= 1;
    const std::string expected =
        "is not as published: its contents have the SHA-256 " + sha(changed) + " (expected " + contents_sha + ")";
    EXPECT_EQ(doubt(changed), expected);
    EXPECT_EQ(doubt(gzip(changed)), expected);
  }
}

}  // namespace
}  // namespace shoal
