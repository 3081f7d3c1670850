// Is nothing in the folder of journals removed but journals and checkpoints?

#include "sim/record/journal_folder.hpp"

#include <algorithm>

#include "sim/error.hpp"
#include "sim/record/checkpoint.hpp"
#include "tests/datasets/readers/files.hpp"

namespace shoal {
namespace {

using namespace shoal::testing;
namespace fs = std::filesystem;

std::vector<std::string> names(const std::string& folder) {
  std::vector<std::string> all;
  for (const auto& entry : fs::directory_iterator(folder)) all.push_back(entry.path().filename().string());
  std::ranges::sort(all);
  return all;
}

void fill(const std::string& folder, const std::vector<std::string>& files) {
  for (const std::string& name : files) std::ofstream(fmt::format("{}/{}", folder, name)) << "x";
}

const std::vector<std::string> own = {"cell-000000",
                                      "cell-000001",
                                      "cell-000000.round-12.state",
                                      "cell-000001.round-3.memory-0",
                                      "cell-000001.round-3.memory-11",
                                      "cell-000000.round-12.state.partial-a1b2c3",
                                      "cell-000001.round-3.memory-0.partial-zzzzzz"};
const std::vector<std::string> foreign = {"cell-",
                                          "cell-000000.bak",
                                          "cell-000000.round-12.state.txt",
                                          "cell-000000.round-12.statement",
                                          "cell-000000.round-x.state",
                                          "cell-000001.round-3.memory-",
                                          "cell-000001.round-3.memory-1x",
                                          "cell-12a",
                                          "notes.txt"};

TEST(JournalFolder, RemovesItsOwnFilesOnly) {
  const Folder folder;
  const std::string run = folder.path() + "/run.h5";
  make_journal_folder(run);
  fill(journal_folder(run), own);
  fill(journal_folder(run), foreign);
  fs::create_directory(journal_folder(run) + "/cell-000007");
  fill(journal_folder(run) + "/cell-000007", {"kept"});
  std::vector<std::string> left = foreign;
  left.emplace_back("cell-000007");
  std::ranges::sort(left);
  remove_journals(run);
  EXPECT_EQ(names(journal_folder(run)), left);
  fill(journal_folder(run), {"lock"});
  remove_journal_folder(run);
  EXPECT_EQ(names(journal_folder(run)), left);
}

TEST(JournalFolder, GoesWhenItIsEmpty) {
  const Folder folder;
  const std::string run = folder.path() + "/run.h5";
  make_journal_folder(run);
  fill(journal_folder(run), own);
  fill(journal_folder(run), {"lock"});
  remove_journal_folder(run);
  EXPECT_FALSE(fs::exists(journal_folder(run)));
}

TEST(JournalFolder, IsNoLinkToAnotherFolder) {
  const Folder folder;
  const std::string run = folder.path() + "/run.h5", others = folder.path() + "/others";
  fs::create_directory(others);
  fill(others, own);
  fs::create_directory_symlink(others, journal_folder(run));
  EXPECT_TRUE(contains(user_error_of([&] { make_journal_folder(run); }), "no folder of its own"));
  fs::remove(journal_folder(run));
  fill(folder.path(), {"run.h5.journal"});
  EXPECT_TRUE(contains(user_error_of([&] { make_journal_folder(run); }), "no folder of its own"));
  EXPECT_EQ(names(others).size(), own.size());
}

TEST(JournalFolder, KeepsALinksTarget) {
  const Folder folder;
  const std::string run = folder.path() + "/run.h5", target = folder.write("target", bytes("keep"));
  make_journal_folder(run);
  fs::create_symlink(target, journal_folder(run) + "/cell-000000");
  remove_journals(run);
  EXPECT_TRUE(fs::exists(target));
  EXPECT_TRUE(names(journal_folder(run)).empty());
}

TEST(Checkpoints, RemoveNoForeignFiles) {
  const Folder folder;
  fill(folder.path(), own);
  fill(folder.path(), foreign);
  remove_checkpoints(folder.path() + "/cell-000000");
  std::vector<std::string> left = foreign;
  for (const std::string& name : own) {
    if (!name.starts_with("cell-000000.")) left.push_back(name);
  }
  std::ranges::sort(left);
  EXPECT_EQ(names(folder.path()), left);
}

}  // namespace
}  // namespace shoal
