// Does writing a file touch nothing but that file?

#include "sim/files/replace_file.hpp"

#include <sys/stat.h>

#include <algorithm>

#include "sim/files/file_lock.hpp"
#include "sim/files/journal.hpp"
#include "sim/files/read_file.hpp"
#include "tests/datasets/readers/files.hpp"

namespace shoal {
namespace {

using namespace shoal::testing;
namespace fs = std::filesystem;

void replace(const std::string& path, const std::string& text) { replace_file(path, std::as_bytes(std::span(text))); }

std::vector<std::string> names(const std::string& folder) {
  std::vector<std::string> all;
  for (const auto& entry : fs::directory_iterator(folder)) all.push_back(entry.path().filename().string());
  std::ranges::sort(all);
  return all;
}

TEST(ReplaceFile, LeavesNeighboursAlone) {
  const Folder folder;
  const std::string path = folder.path() + "/run.h5", victim = folder.write("victim", bytes("keep"));
  folder.write("run.h5.partial", bytes("a stranger's"));
  fs::create_symlink(victim, folder.path() + "/run.h5.partial-link");
  replace(path, "first");
  replace(path, "second");
  EXPECT_EQ(read_file(path), "second");
  EXPECT_EQ(read_file(victim), "keep");
  EXPECT_EQ(read_file(path + ".partial"), "a stranger's");
  EXPECT_EQ(names(folder.path()),
            (std::vector<std::string>{"run.h5", "run.h5.partial", "run.h5.partial-link", "victim"}));
}

TEST(ReplaceFile, ReplacesALinkAndNotItsTarget) {
  const Folder folder;
  const std::string target = folder.write("target", bytes("keep")), link = folder.path() + "/link";
  fs::create_symlink(target, link);
  replace(link, "new");
  EXPECT_EQ(read_file(target), "keep");
  EXPECT_EQ(read_file(link), "new");
  EXPECT_FALSE(fs::is_symlink(link));
}

TEST(ReplaceFile, HasTheUsualPermissions) {
  const Folder folder;
  const mode_t mask = umask(022);
  replace(folder.path() + "/file", "x");
  umask(mask);
  EXPECT_EQ(fs::status(folder.path() + "/file").permissions(), fs::perms{0644});
}

TEST(ReplaceFile, RemovesOnlyItsOwnLeftovers) {
  const Folder folder;
  for (const char* name : {"run.h5", "run.h5.partial-abc123", "run.h5.partial-abc1234", "run.h5.partial-notes",
                           "run.h5.partial", "other.h5.partial-abc123"}) {
    folder.write(name, {});
  }
  remove_partial_files(folder.path() + "/run.h5");
  EXPECT_EQ(names(folder.path()), (std::vector<std::string>{"other.h5.partial-abc123", "run.h5", "run.h5.partial",
                                                            "run.h5.partial-abc1234", "run.h5.partial-notes"}));
}

TEST(CheckWritable, RefusesWhatIsNoFile) {
  const Folder folder;
  EXPECT_TRUE(contains(user_error_of([] { check_writable("/dev/null"); }), "'/dev/null' is no regular file"));
  const std::string pipe = folder.path() + "/pipe";
  ASSERT_EQ(mkfifo(pipe.c_str(), 0600), 0);
  EXPECT_TRUE(contains(user_error_of([&] { check_writable(pipe); }), "is no regular file"));
  fs::create_symlink("/dev/zero", folder.path() + "/zero");
  EXPECT_TRUE(contains(user_error_of([&] { check_writable(folder.path() + "/zero"); }), "is no regular file"));
  EXPECT_TRUE(contains(user_error_of([&] { check_writable(folder.path()); }), "is a folder"));
  EXPECT_NO_THROW(check_writable(folder.path() + "/new"));
  EXPECT_EQ(names(folder.path()), (std::vector<std::string>{"pipe", "zero"}));  // the trial is gone
}

TEST(CheckOutput, RefusesInputsByAnyName) {
  const Folder folder;
  const std::string input = folder.write("in", bytes("kind of input")), other = folder.path() + "/./in";
  fs::create_hard_link(input, folder.path() + "/hard");
  fs::create_symlink("in", folder.path() + "/soft");
  const OutputKind kind{"kind", "file of this kind"};
  for (const std::string& out : {input, other, folder.path() + "/hard", folder.path() + "/soft"}) {
    EXPECT_TRUE(contains(user_error_of([&] { check_output(out, kind, {"none", input}); }), "is read by this command"))
        << out;
  }
  EXPECT_NO_THROW(check_output(folder.path() + "/new", kind, {input, ""}));
}

TEST(CheckOutput, ReplacesItsOwnKindOnly) {
  const Folder folder;
  const OutputKind kind{"# blocks", "table of blocks"};
  EXPECT_NO_THROW(check_output(folder.write("own", bytes("# blocks of clients\n")), kind, {}));
  EXPECT_NO_THROW(check_output(folder.write("empty", {}), kind, {}));
  for (const char* foreign : {"# bloc", "rounds = 3\n", "\x89HDF"}) {
    const std::string path = folder.write("foreign", bytes(foreign));
    EXPECT_TRUE(contains(user_error_of([&] { check_output(path, kind, {}); }), "exists and is no table of blocks"));
  }
}

TEST(Journal, IsNotWrittenThroughALink) {
  const Folder folder;
  const std::string target = folder.write("target", bytes("keep")), link = folder.path() + "/cell-000000";
  fs::create_symlink(target, link);
  EXPECT_THROW(Journal::create(link), SystemError);
  EXPECT_THROW(FileLock{link}, SystemError);
  EXPECT_EQ(read_file(target), "keep");
}

TEST(FileLock, ShowsWhoHoldsIt) {
  const Folder folder;
  const std::string path = folder.path() + "/lock";
  EXPECT_FALSE(is_locked(path));
  {
    const FileLock lock(path);
    EXPECT_TRUE(is_locked(path));
  }
  EXPECT_FALSE(is_locked(path));
}

}  // namespace
}  // namespace shoal
