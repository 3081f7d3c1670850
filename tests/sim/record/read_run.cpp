#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "sim/error.hpp"
#include "sim/record/run_file.hpp"

namespace shoal {
namespace {

namespace fs = std::filesystem;

class ReadRunTest : public testing::Test {
 protected:
  ReadRunTest() {
    const auto* test = testing::UnitTest::GetInstance()->current_test_info();
    folder_ = fs::path(testing::TempDir()) / (std::string("shoal_") + test->name() + std::to_string(::getpid()));
    path_ = (folder_ / "run.h5").string();
    fs::create_directories(journal_folder(path_));
  }
  ~ReadRunTest() override { fs::remove_all(folder_); }

  // Writes the journal of a cell of `rounds` rounds where the program would, and returns its path.
  std::string journal(std::int64_t index, std::int64_t rounds, bool finished, const std::string& more = "") const {
    CellJournal journal(journal_path(path_, index), {.index = index,
                                                     .label = "fed_avg",
                                                     .seed = index,
                                                     .config = "name = \"digits\"\n" + more,
                                                     .provenance = {{"commit", "abc"}, {"program", "0.1.0"}}});
    for (std::int64_t round = 1; round <= rounds; ++round) {
      journal.round(
          {{.round = round, .bytes_up = 7, .accuracy = 0.5}, std::vector<ParticipationRow>(2, {.round = round})});
    }
    if (finished) journal.finish({.status = "finished", .hash = "f" + std::to_string(index), .rounds = rounds}, {});
    return journal_path(path_, index);
  }
  void assemble(const std::vector<std::string>& journals) const {
    assemble_run_file(path_, {"digits", "0.1.0"}, journals);
  }
  void forget_journals() const { fs::remove_all(journal_folder(path_)); }

  fs::path folder_;
  std::string path_;
};

TEST_F(ReadRunTest, ReadsTheFileWithoutJournals) {
  assemble({journal(0, 3, true), journal(1, 2, true)});
  fs::remove(journal_path(path_, 0));
  fs::remove(journal_path(path_, 1));
  EXPECT_EQ(read_run(path_).hash, run_hash({"f0", "f1"}));
  forget_journals();
  EXPECT_EQ(read_run(path_).hash, run_hash({"f0", "f1"}));
  fs::remove(path_);
  EXPECT_THROW(read_run(path_), UserError);
}

TEST_F(ReadRunTest, ReadsTheJournalsWithoutAFile) {
  journal(0, 3, true);
  journal(2, 5, false);
  std::ofstream(fs::path(journal_folder(path_)) / "cell-000001.checkpoint") << "not a journal";
  std::ofstream(fs::path(journal_folder(path_)) / "cell-000007") << "shoaljour";  // killed at its first bytes
  const RunContents run = read_run(path_);
  EXPECT_EQ(run.info.name, "digits");
  EXPECT_EQ(run.info.program, "0.1.0");
  ASSERT_EQ(run.cells.size(), 2);
  EXPECT_EQ(run.cells[0].result->hash, "f0");
  EXPECT_EQ(run.cells[1].header.index, 2);
  EXPECT_EQ(run.cells[1].rounds.size(), 5);
  EXPECT_EQ(run.cells[1].participations.size(), 10);
  EXPECT_FALSE(run.cells[1].result);
  EXPECT_EQ(run.hash, run_hash({"f0", ""}));
}

TEST_F(ReadRunTest, TakesEachCellThatReachesFurther) {
  assemble({journal(0, 3, true), journal(1, 4, false), journal(2, 6, false)});
  forget_journals();
  fs::create_directory(journal_folder(path_));
  journal(0, 1, false);  // started again after the file was written
  journal(1, 5, false);
  journal(3, 2, true);
  const RunContents run = read_run(path_);
  ASSERT_EQ(run.cells.size(), 4);
  EXPECT_EQ(run.cells[0].rounds.size(), 3);
  EXPECT_TRUE(run.cells[0].result);
  EXPECT_EQ(run.cells[1].rounds.size(), 5);
  EXPECT_EQ(run.cells[2].rounds.size(), 6);
  EXPECT_EQ(run.cells[3].result->hash, "f3");
  EXPECT_EQ(run.hash, run_hash({"f0", "", "", "f3"}));
}

TEST_F(ReadRunTest, IgnoresTheFileOfAnotherRun) {
  assemble({journal(0, 3, true), journal(1, 3, true)});
  forget_journals();
  fs::create_directory(journal_folder(path_));
  journal(0, 1, false, "rounds = 7\n");
  const RunContents run = read_run(path_);
  ASSERT_EQ(run.cells.size(), 1);
  EXPECT_EQ(run.cells[0].rounds.size(), 1);
}

TEST_F(ReadRunTest, IgnoresATornLastRecord) {
  const std::string path = journal(0, 4, false);
  fs::resize_file(path, fs::file_size(path) - 1);
  EXPECT_EQ(read_run(path_).cells.at(0).rounds.size(), 3);
}

}  // namespace
}  // namespace shoal
