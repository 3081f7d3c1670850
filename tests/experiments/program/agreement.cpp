// Ranks that do not run the same thing are told apart.

#include "experiments/program/run/agreement.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "experiments/program/run/stop_letters.hpp"

namespace shoal {
namespace {

using testing::HasSubstr;

// The text at each rank if rank `odd` of `ranks` has other facts than the rest.
std::vector<std::string> said(int ranks, int odd, const Agreed& usual, const Agreed& other) {
  std::vector<std::string> texts(ranks);
  run_on_threads(ranks, [&](Communicator& world) {
    const std::string host = "node" + std::to_string(world.rank());
    texts[world.rank()] = disagreement(world, world.rank() == odd ? other : usual, host);
  });
  return texts;
}

TEST(Agreement, EqualFactsAreFine) {
  for (const int ranks : {1, 2, 5}) {
    for (const std::string& text : said(ranks, 0, {{"data", "1"}}, {{"data", "1"}})) EXPECT_EQ(text, "");
  }
}

TEST(Agreement, EveryRankNamesTheOddOne) {
  const std::vector<std::pair<Agreed, Agreed>> cases = {
      {{{"data", "aa"}, {"block", "8"}}, {{"data", "ab"}, {"block", "8"}}},
      {{{"environment", "default"}}, {{"environment", "MKL_CBWR=AVX2"}}},
      {{{"settings", "x"}}, {{"settings", "x"}, {"input files", "y"}}}};
  const std::vector<std::string> facts = {"data is ab there and aa here",
                                          "environment is MKL_CBWR=AVX2 there and default here",
                                          "input files is y there and none here"};
  for (std::size_t i = 0; i < cases.size(); ++i) {
    for (const int ranks : {2, 3}) {
      for (const std::string& text : said(ranks, ranks - 1, cases[i].first, cases[i].second)) {
        EXPECT_THAT(text, HasSubstr(fmt::format("rank {} on node{} and rank 0 on node0", ranks - 1, ranks - 1)));
        EXPECT_THAT(text, HasSubstr(facts[i]));
      }
    }
  }
}

TEST(Agreement, KnowsWhatChangesRoundings) {
  const auto with = [](std::string name, std::string value) {
    return rounding_environment([=](const char* asked) { return asked == name ? value.c_str() : nullptr; });
  };
  EXPECT_EQ(with("MKL_CBWR", "COMPATIBLE"), "MKL_CBWR=COMPATIBLE");
  EXPECT_EQ(with("ATEN_CPU_CAPABILITY", "default"), "ATEN_CPU_CAPABILITY=default");
  EXPECT_EQ(with("ONEDNN_MAX_CPU_ISA", "SSE41"), "ONEDNN_MAX_CPU_ISA=SSE41");
  EXPECT_EQ(with("PATH", "/bin"), "default");
}

// Two groups, of ranks 0 and 1 and of rank 2, say; one hears of a stop, the others must too.
TEST(StopLetters, ReachEveryOtherGroup) {
  for (const int per_group : {1, 2}) {
    const int ranks = 3 * per_group;
    for (int told = 0; told < 3; ++told) {
      run_on_threads(ranks, [&](Communicator& world) {
        const bool is_first = world.rank() % per_group == 0;
        StopLetters letters(world, is_first);
        EXPECT_FALSE(letters.arrived());
        world.barrier();
        if (world.rank() / per_group == told) letters.send();
        world.barrier();
        EXPECT_EQ(letters.arrived(), is_first && world.rank() / per_group != told);
        EXPECT_EQ(letters.arrived(), is_first && world.rank() / per_group != told) << "it stays known";
        world.barrier();
      });
    }
  }
}

TEST(StopLetters, PassOverGroupsThatAreDone) {
  run_on_threads(3, [](Communicator& world) {
    {
      StopLetters letters(world, true);
      if (world.rank() == 0) return;
      letters.send();
    }
  });
}

}  // namespace
}  // namespace shoal
