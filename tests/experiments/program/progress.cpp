// Does the progress of a cell show the right numbers, in files and on terminals?
#include "experiments/program/run/progress.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <memory>

namespace shoal {
namespace {

double now = 0;
double fake_clock() { return now; }

// The output of `act`.
template <class Act>
std::string printed(bool is_terminal, Act&& act, const char* label = "fed_avg", GridProgress grid = {}) {
  now = 100;
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(std::tmpfile(), std::fclose);
  for (std::int64_t cell = grid.done; cell < grid.cells; ++cell) {
    Progress progress(label, 100, is_terminal, file.get(), grid, fake_clock);
    act(progress);
  }
  std::string text(std::ftell(file.get()), ' ');
  EXPECT_EQ(std::fseek(file.get(), 0, SEEK_SET), 0);
  EXPECT_EQ(std::fread(text.data(), 1, text.size(), file.get()), text.size());
  return text;
}

TEST(Progress, PrintsOneLinePerEvaluationIntoAFile) {
  const std::string text = printed(false, [](Progress& progress) {
    for (std::int64_t round = 1; round <= 20; ++round) {
      now += 0.5;
      RoundRow row{.round = round};
      if (round % 10 == 0) {
        row.accuracy = 0.5 + 0.01 * round;
        row.loss = 1.25;
      }
      progress.round(row);
    }
    progress.finish("finished");
  });
  EXPECT_EQ(text,
            "fed_avg: round 10/100  accuracy 0.6000  loss 1.2500  2.0 rounds/s  45 s left\n"
            "fed_avg: round 20/100  accuracy 0.7000  loss 1.2500  2.0 rounds/s  40 s left\n"
            "fed_avg: finished after 20 rounds, 10 s, accuracy 0.7000, loss 1.2500\n");
}

// An evaluation every second: the first is shown, then one every ten seconds, whatever cell it belongs to; and every
// end.
TEST(Progress, PrintsFewerLinesWhereTheyAreThrottled) {
  const auto cell = [](Progress& progress) {
    for (std::int64_t round = 1; round <= 15; ++round) {
      progress.round({.round = round, .accuracy = 0.5});
      now += 1;
    }
    progress.finish("finished");
  };
  const std::string text = printed(false, cell, "fed_avg", {.cells = 2, .log_every = 10});
  std::vector<std::string> starts;
  for (std::size_t at = 0; at < text.size(); at = text.find('\n', at) + 1) {
    starts.push_back(text.substr(at, text.find("  ", at) - at).substr(0, 26));
  }
  const std::vector<std::string> expected{"fed_avg: round 1/100", "fed_avg: round 11/100",
                                          "fed_avg: finished after 15 ro", "fed_avg: round 6/100",
                                          "fed_avg: finished after 15 ro"};
  ASSERT_EQ(starts.size(), expected.size()) << text;
  for (std::size_t i = 0; i < starts.size(); ++i) EXPECT_EQ(starts[i].substr(0, 20), expected[i].substr(0, 20)) << text;
}

// Three cells of 100 rounds at 10 rounds a second. In the middle of the second, half of all work is done in 15 s.
TEST(Progress, PredictsTheEndOfTheWholeGrid) {
  const auto cell = [](Progress& progress) {
    for (std::int64_t round = 1; round <= 100; ++round) {
      now += 0.1;
      RoundRow row{.round = round};
      if (round == 50) row.loss = 1;
      progress.round(row);
    }
    progress.finish("finished");
  };
  const std::string text = printed(false, cell, "fed_avg", {.cells = 3});
  EXPECT_NE(text.find("round 50/100  loss 1.0000  10.0 rounds/s  5.0 s left  all cells 17 %, 25 s left\n"),
            std::string::npos)
      << text;
  EXPECT_NE(text.find("  all cells 50 %, 15 s left\n"), std::string::npos) << text;
  EXPECT_NE(text.find("  all cells 83 %, 5.0 s left\n"), std::string::npos) << text;
}

TEST(Progress, SaysOnceWhyRoundsAreAbandoned) {
  const std::string text = printed(false, [](Progress& progress) {
    for (const std::int64_t round : {3, 4, 7}) progress.abandoned(round, "5 of 6 clients are there");
    progress.abandoned(8, "4 of 6 clients are there");
  });
  EXPECT_EQ(text,
            "fed_avg: round 3 was abandoned: 5 of 6 clients are there\n"
            "fed_avg: round 8 was abandoned: 4 of 6 clients are there\n");
}

TEST(Progress, CountsOnlyItsOwnRoundsAfterAResume) {
  const std::string text = printed(false, [](Progress& progress) {
    now += 4;
    progress.round({.round = 99, .loss = 0.5});
  });
  EXPECT_EQ(text, "fed_avg: round 99/100  loss 0.5000  0.250 rounds/s  4.0 s left\n");
}

TEST(Progress, UpdatesALineTenTimesASecond) {
  ::setenv("NO_COLOR", "1", 1);
  const std::string text = printed(true, [](Progress& progress) {
    for (std::int64_t round = 1; round <= 100; ++round) {
      now += 0.0101;
      progress.round({.round = round});
    }
  });
  EXPECT_EQ(std::count(text.begin(), text.end(), '\r'), 10);
  EXPECT_EQ(text.find('\n'), std::string::npos);
  EXPECT_EQ(text.find("\x1b[36m"), std::string::npos);
  EXPECT_EQ(text.substr(0, text.find('\r', 1)), "\r\x1b[Kround 1/100  99.0 rounds/s  1.0 s left  fed_avg");
}

TEST(Progress, ColoursOnlyTerminalsThatWantThem) {
  ::setenv("NO_COLOR", "1", 1);
  EXPECT_FALSE(wants_colour(true));
  ::setenv("NO_COLOR", "", 1);
  EXPECT_TRUE(wants_colour(true));
  ::unsetenv("NO_COLOR");
  EXPECT_TRUE(wants_colour(true));
  EXPECT_FALSE(wants_colour(false));
}

TEST(Progress, ShortensALongLabelBetweenLetters) {
  ::setenv("NO_COLOR", "1", 1);
  std::string label;
  for (int i = 0; i < 100; ++i) label += "µ";
  for (const char* prefix : {"", "x"}) {
    const std::string text =
        printed(true, [](Progress& progress) { progress.round({.round = 1}); }, (prefix + label).c_str());
    EXPECT_LE(text.size(), 4 + 79);
    EXPECT_TRUE(text.ends_with("µ"));
  }
}

TEST(Progress, WritesDurationsAndBytesForPeople) {
  EXPECT_EQ(duration_text(0.254), "0.25 s");
  EXPECT_EQ(duration_text(9.96), "10 s");
  EXPECT_EQ(duration_text(59.7), "1 min 00 s");
  EXPECT_EQ(duration_text(185), "3 min 05 s");
  EXPECT_EQ(duration_text(8040), "2 h 14 min");
  EXPECT_EQ(duration_text(3 * 86400 + 4 * 3600), "3 d 04 h");
  EXPECT_EQ(duration_text(not_measured), "unknown");
  EXPECT_EQ(bytes_text(0), "0 B");
  EXPECT_EQ(bytes_text(999), "999 B");
  EXPECT_EQ(bytes_text(1500), "1.5 kB");
  EXPECT_EQ(bytes_text(999'999), "1.0 MB");
  EXPECT_EQ(bytes_text(2'000'000'000), "2.0 GB");
  EXPECT_EQ(bytes_text(INT64_MAX), "9.2 EB");
}

}  // namespace
}  // namespace shoal
