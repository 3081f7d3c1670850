// Does a mapped file show what the file holds, or one clear error?

#include "sim/files/mapped_file.hpp"

#include "tests/datasets/readers/files.hpp"

namespace shoal {
namespace {

using namespace shoal::testing;

TEST(MappedFile, ShowsTheBytesOfAFile) {
  const Folder folder;
  Bytes content;
  for (int i = 0; i < 100'000; ++i) content.push_back(i * 31 % 251);
  const std::string path = folder.write("file", content);
  const MappedFile file(path);
  std::filesystem::remove(path);  // the mapping stays
  EXPECT_TRUE(std::ranges::equal(file.bytes(), content));
}

TEST(MappedFile, TakesAnEmptyFile) {
  const Folder folder;
  EXPECT_TRUE(MappedFile(folder.write("empty", {})).bytes().empty());
}

TEST(MappedFile, RefusesWhatIsNoFile) {
  const Folder folder;
  const std::string missing = user_error_of([&] { MappedFile file(folder.path() + "/none"); });
  EXPECT_TRUE(contains(missing, "none' (no such file or directory)")) << missing;
  const std::string dir = user_error_of([&] { MappedFile file(folder.path()); });
  EXPECT_TRUE(contains(dir, "it is not a regular file")) << dir;
}

}  // namespace
}  // namespace shoal
