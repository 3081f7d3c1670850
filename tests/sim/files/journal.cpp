#include "sim/files/journal.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <thread>

#include "sim/error.hpp"

namespace shoal {
namespace {

class JournalTest : public testing::Test {
 protected:
  JournalTest() {
    const auto* test = testing::UnitTest::GetInstance()->current_test_info();
    path_ = testing::TempDir() + "/shoal_" + test->name() + std::to_string(::getpid()) + ".journal";
  }
  ~JournalTest() override { std::filesystem::remove(path_); }

  static std::vector<std::byte> payload(std::size_t size, unsigned seed) {
    std::vector<std::byte> bytes(size);
    std::mt19937 random(seed);
    for (std::byte& byte : bytes) byte = static_cast<std::byte>(random());
    return bytes;
  }
  std::string bytes() const {
    std::ifstream file(path_, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
  }
  void write(const std::string& bytes) const { std::ofstream(path_, std::ios::binary) << bytes; }
  std::string error_of_reading() const {
    try {
      read_journal(path_);
    } catch (const UserError& error) {
      return error.what();
    }
    return "";
  }

  std::string path_;
};

TEST_F(JournalTest, GivesBackWhatWasAppended) {
  {
    Journal journal = Journal::create(path_);
    EXPECT_EQ(journal.length(), 16);
    journal.append(7, payload(100, 1));
    journal.append(8, {});
    journal.append(9, payload(70000, 2));
    journal.sync();
    EXPECT_EQ(journal.length(), std::filesystem::file_size(path_));
  }
  const JournalContents read = read_journal(path_);
  ASSERT_EQ(read.records.size(), 3);
  EXPECT_EQ(read.length, std::filesystem::file_size(path_));
  EXPECT_EQ(read.records[0].kind, 7);
  EXPECT_EQ(read.records[0].payload, payload(100, 1));
  EXPECT_EQ(read.records[0].end, 16 + 16 + 100);
  EXPECT_TRUE(read.records[1].payload.empty());
  EXPECT_EQ(read.records[2].payload, payload(70000, 2));
}

TEST_F(JournalTest, ContinuesAfterAnyRecordAndNowhereElse) {
  std::vector<std::uint64_t> ends{16};
  {
    Journal journal = Journal::create(path_);
    for (unsigned i = 0; i < 3; ++i) {
      journal.append(i, payload(10, i));
      ends.push_back(journal.length());
    }
  }
  EXPECT_THROW(Journal::resume(path_, ends[1] + 1), UserError);
  EXPECT_THROW(Journal::resume(path_, ends[3] + 26), UserError);
  for (std::size_t kept = 4; kept-- > 0;) {
    Journal::resume(path_, ends[kept]).append(5, payload(4, 9));
    const auto records = read_journal(path_).records;
    ASSERT_EQ(records.size(), kept + 1);
    EXPECT_EQ(records.back().payload, payload(4, 9));
    EXPECT_EQ(records.back().kind, 5);
  }
}

TEST_F(JournalTest, LosesOnlyTheTornRecordWhereverItIsCut) {
  std::uint64_t whole = 0;
  {
    Journal journal = Journal::create(path_);
    journal.append(1, payload(20, 1));
    whole = journal.length();
    journal.append(2, payload(50, 2));
  }
  const std::string all = bytes();
  for (std::size_t size = whole; size < all.size(); ++size) {
    write(all.substr(0, size));
    const JournalContents read = read_journal(path_);
    ASSERT_EQ(read.records.size(), 1) << size;
    ASSERT_EQ(read.length, whole) << size;
    Journal::resume(path_, read.length).append(3, payload(5, 3));
    ASSERT_EQ(read_journal(path_).records.size(), 2) << size;
  }
  for (std::size_t size = 0; size < 16; ++size) {  // killed while it was created
    write(all.substr(0, size));
    EXPECT_EQ(read_journal(path_).length, 0) << size;
  }
}

TEST_F(JournalTest, NoticesEveryFlippedBit) {
  std::vector<std::uint64_t> ends{16};
  {
    Journal journal = Journal::create(path_);
    for (unsigned i = 0; i < 3; ++i) {
      journal.append(i, payload(30 * i, i));
      ends.push_back(journal.length());
    }
  }
  const std::string all = bytes();
  for (std::size_t bit = 0; bit < 8 * all.size(); ++bit) {
    std::string flipped = all;
    flipped[bit / 8] ^= 1 << (bit % 8);
    write(flipped);
    if (bit / 8 < 16) {
      ASSERT_THROW(read_journal(path_), UserError) << bit;
    } else {
      const std::uint64_t start = *std::prev(std::upper_bound(ends.begin(), ends.end(), bit / 8));
      ASSERT_EQ(read_journal(path_).length, start) << bit;
    }
  }
}

TEST_F(JournalTest, StopsAtAnImpossibleLength) {
  Journal::create(path_).append(1, payload(8, 1));
  std::string all = bytes();
  const std::uint32_t huge[2] = {0xFFFFFFFFU, 1};
  all.append(reinterpret_cast<const char*>(huge), 8).append(100, 'x');
  write(all);
  EXPECT_EQ(read_journal(path_).records.size(), 1);
}

TEST_F(JournalTest, RefusesForeignFilesAndOtherVersions) {
  EXPECT_NE(error_of_reading().find("No such file"), std::string::npos);
  write("round,accuracy\n1,0.5\n2,0.7\n");
  EXPECT_NE(error_of_reading().find("is not a journal of Shoal"), std::string::npos);
  { Journal::create(path_); }
  std::string all = bytes();
  all[12] = 4;
  write(all);
  EXPECT_NE(error_of_reading().find("has format version 4 (this program reads 5)"), std::string::npos);
  EXPECT_THROW(Journal::create("/nowhere/x.journal"), SystemError);
  EXPECT_THROW(read_journal(testing::TempDir()), UserError);
}

TEST_F(JournalTest, KeepsWholeRecordsWhenTheDiskIsFull) {
  const pid_t child = ::fork();
  if (child == 0) {
    std::signal(SIGXFSZ, SIG_IGN);
    const rlimit limit{5000, 5000};
    ::setrlimit(RLIMIT_FSIZE, &limit);
    Journal journal = Journal::create(path_);
    int appended = 0;
    try {
      for (; appended < 100; ++appended) journal.append(1, payload(300, 1));
    } catch (const SystemError& error) {
      const std::string text = error.what();
      const bool clear = text.find("File too large") != std::string::npos && text.find(path_) != std::string::npos;
      journal.append(2, payload(10, 2));  // a small one still fits
      ::_exit(clear ? appended : 101);
    }
    ::_exit(102);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  ASSERT_TRUE(WIFEXITED(status));
  const int appended = WEXITSTATUS(status);
  EXPECT_EQ(appended, (5000 - 16) / 316);
  const JournalContents read = read_journal(path_);
  ASSERT_EQ(std::ssize(read.records), appended + 1);
  EXPECT_EQ(read.records.back().kind, 2);
  EXPECT_EQ(read.length, std::filesystem::file_size(path_));
}

// The child reports each record through a pipe only after `append` returned.
[[noreturn]] void append_until_killed(const std::string& path, int pipe) {
  Journal journal = Journal::create(path);
  std::mt19937 random(1);
  for (std::uint32_t i = 0;; ++i) {
    std::vector<std::byte> bytes(random() % 3000, static_cast<std::byte>(i));
    journal.append(i, bytes);
    if (::write(pipe, &i, sizeof i) != sizeof i) ::_exit(1);
  }
}

TEST_F(JournalTest, LosesNoCompletedRecordWhenKilled) {
  std::mt19937 random(2);
  std::size_t reported_in_all = 0;
  for (int kill = 0; kill < 200; ++kill) {
    int ends[2];
    ASSERT_EQ(::pipe(ends), 0);
    const pid_t child = ::fork();
    if (child == 0) append_until_killed(path_, ends[1]);
    ::close(ends[1]);
    std::this_thread::sleep_for(std::chrono::microseconds(500 + random() % 4000));
    ::kill(child, SIGKILL);
    ::waitpid(child, nullptr, 0);
    std::uint32_t index = 0, reported = 0;
    while (::read(ends[0], &index, sizeof index) == sizeof index) reported = index + 1;
    ::close(ends[0]);
    reported_in_all += reported;
    if (!std::filesystem::exists(path_)) continue;  // killed before it began

    const JournalContents read = read_journal(path_);
    ASSERT_GE(read.records.size(), reported);
    for (std::uint32_t i = 0; i < read.records.size(); ++i) ASSERT_EQ(read.records[i].kind, i);
    if (read.length == 0) continue;
    Journal::resume(path_, read.length).append(4, payload(4, 4));
    ASSERT_EQ(read_journal(path_).records.size(), read.records.size() + 1);
    std::filesystem::remove(path_);
  }
  EXPECT_GT(reported_in_all, 200);
}

}  // namespace
}  // namespace shoal
