// Is a file read byte by byte, or refused with one clear error?

#include "sim/files/read_file.hpp"

#include <sys/stat.h>

#include <thread>

#include "tests/datasets/readers/files.hpp"

namespace shoal {
namespace {

using namespace shoal::testing;

TEST(ReadFile, GivesEveryByte) {
  const Folder folder;
  std::string all;
  for (int i = 0; i < 3 * 65536 + 1; ++i) all.push_back(i % 251);
  for (const std::size_t size : {0, 1, 65535, 65536, 65537, 3 * 65536 + 1}) {
    const std::string content = all.substr(0, size);
    EXPECT_EQ(read_file(folder.write("file", bytes(content))), content) << size;
  }
}

TEST(ReadFile, ChecksTheSize) {
  const Folder folder;
  const std::string path = folder.write("file", Bytes(1000));
  EXPECT_EQ(read_file(path, 1000).size(), 1000u);
  EXPECT_EQ(user_error_of([&] { read_file(path, 999); }),
            "'" + path + "' holds 1000 bytes (at most 999 are expected). Check that it is the right file.");
  // A sparse file of a tebibyte is refused by its size: reading it would take minutes.
  std::filesystem::resize_file(path, std::uintmax_t{1} << 40);
  EXPECT_TRUE(contains(user_error_of([&] { read_file(path, 999); }), "holds 1099511627776 bytes"));
}

TEST(ReadFile, NamesTheReason) {
  const Folder folder;
  const std::string none = folder.path() + "/none";
  EXPECT_EQ(user_error_of([&] { read_file(none); }),
            "cannot read '" + none + "' (no such file or directory). Check the path and its permissions.");
  EXPECT_TRUE(contains(user_error_of([&] { read_file(folder.path()); }), "' (is a directory). Check"));
  const std::string below = folder.write("file", bytes("x")) + "/below";
  EXPECT_TRUE(contains(user_error_of([&] { read_file(below); }), "' (not a directory). Check"));
  EXPECT_TRUE(contains(user_error_of([] { read_file("/dev/zero"); }), "' (it is not a regular file). Check"));
}

TEST(ReadFile, ReadsPipesUpToTheLimit) {
  const Folder folder;
  const std::string pipe = folder.path() + "/pipe";
  ASSERT_EQ(mkfifo(pipe.c_str(), 0600), 0);
  const auto write = [&] { std::ofstream(pipe) << std::string(1000, 'x'); };
  std::thread whole(write);
  EXPECT_EQ(read_file(pipe, 1000), std::string(1000, 'x'));
  whole.join();
  std::thread too_long(write);
  EXPECT_TRUE(contains(user_error_of([&] { read_file(pipe, 999); }), "holds 1000 bytes (at most 999"));
  too_long.join();
}

}  // namespace
}  // namespace shoal
