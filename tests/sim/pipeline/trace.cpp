// Does the pipeline give the events that a calculation by hand gives?

#include <gtest/gtest.h>

#include <fmt/format.h>

#include "tests/sim/pipeline/fakes.hpp"

namespace {

using namespace shoal;
using namespace shoal::pipeline;

std::string line(const TraceEntry& e) {
  constexpr std::array names{"asked",  "refused", "malformed", "served",  "joined",
                             "closed", "judged",  "consumed",  "trained", "handed over"};
  const char* name = names[static_cast<int>(e.kind)];
  if (e.kind == TraceEntry::Kind::trained || e.kind == TraceEntry::Kind::handed_over) {
    return fmt::format("{:g} {} {}", seconds(e.time), name, e.version);
  }
  std::string text = fmt::format("{:g} {} {}.{}.{}", seconds(e.time), name, e.turn.user, e.turn.session, e.turn.turn);
  if (e.kind == TraceEntry::Kind::consumed) text += fmt::format(" at {}", e.version);
  if (e.kind == TraceEntry::Kind::served) text += fmt::format(" after {:g}", seconds(e.latency));
  return text;
}

std::vector<std::string> lines(const Result& result) {
  std::vector<std::string> all;
  for (const TraceEntry& e : result.trace) all.push_back(line(e));
  return all;
}

constexpr const char* task = "batch = 2\nrate = 1\nmost_turns = 2\ntool_turns = 1\n";
constexpr const char* times =
    "spread = 0\nthink_seconds = 10\ngap_seconds = 100\nslots = 1\nlatency = 1\ntoken_seconds = 1\n"
    "prompt_token_seconds = 0\njudge_seconds = 2\njudge_spread = 0\njudge_workers = 1\nupdate_seconds = 7\n"
    "hand_over_seconds = 5\n";

// Two users, one slot with 4 s per reply, one judge with 2 s per judgement, batches of two that are trained in 7 s and
// handed over in 5 s. A session is two replies that never satisfy, then a tool. Turns are user.session.turn.
TEST(PipelineTrace, TwoUsersByHand) {
  const Scene scene(std::make_unique<Stamped>(3), task, times, 2, 2);
  const Result result = scene.run();
  const std::vector<std::string> expected{
      "100 asked 0.1.0",           // both at once; the first takes the slot
      "100 asked 1.1.0",           //
      "104 served 0.1.0 after 4",  // thinks until 114
      "108 served 1.1.0 after 8",  // waited for 4 s; thinks until 118
      "114 asked 0.1.1",           // brings what followed 0.1.0
      "114 joined 0.1.0",          // judged until 116
      "116 judged 0.1.0",          // queue: 0.1.0
      "118 served 0.1.1 after 4",  // a second failure: the tool comes, at once
      "118 asked 0.1.2",           //
      "118 joined 0.1.1",          // judged until 120
      "118 asked 1.1.1",           // waits for the slot until 122
      "118 joined 1.1.0",          // waits for the judge until 120
      "120 judged 0.1.1",          // queue: 0.1.0, 0.1.1: a batch
      "120 consumed 0.1.0 at 0",   // until 127
      "120 consumed 0.1.1 at 0",   //
      "122 served 0.1.2 after 4",  // the end of the session: nothing follows
      "122 closed 0.1.2",          // queue: 0.1.2
      "122 judged 1.1.0",          // queue: 0.1.2, 1.1.0: a batch
      "126 served 1.1.1 after 8",  //
      "126 asked 1.1.2",           //
      "126 joined 1.1.1",          // judged until 128
      "127 trained 1",             // the next batch is full: weights travel until 132
      "128 judged 1.1.1",          // queue: 0.1.2, 1.1.0, 1.1.1
      "130 served 1.1.2 after 4",  //
      "130 closed 1.1.2",          // queue: 0.1.2, 1.1.0, 1.1.1, 1.1.2
      "132 handed over 1",         //
      "132 consumed 0.1.2 at 1",   // one version stale, until 139
      "132 consumed 1.1.0 at 1",   //
      "139 trained 2",             // 1.1.1 and 1.1.2 are two versions stale
  };
  EXPECT_EQ(lines(result), expected);
  EXPECT_EQ(result.produced, 6);
  EXPECT_EQ(result.consumed, 4);
  EXPECT_EQ(dropped(result, Reason::stale), 2);
  EXPECT_EQ(result.resident, 0);
  EXPECT_EQ(result.training.staleness[0], 6);  // 2 turns of 3 tokens
  EXPECT_EQ(result.training.staleness[1], 6);
  EXPECT_EQ(result.judging.negative, 4);
  EXPECT_EQ(result.training.all_negative, 2);  // 0.1.2 has no vote, so that of 1.1.0 decides for the second batch
  EXPECT_NEAR(result.idle_trainer, 1 - 14.0 / 139, 1e-12);
  EXPECT_NEAR(result.idle_serving, 1 - 24.0 / 139, 1e-12);
  EXPECT_NEAR(result.idle_judge, 1 - 8.0 / 139, 1e-12);
  EXPECT_EQ(result.end, ticks(139));
}

// The same until the first batch is full. Then the barrier: what runs, 0.1.2 and the judgement of 1.1.0, ends at 122;
// the update lasts until 129, weights travel until 134, and only then does 1.1.1 start, which was asked at 118. The
// next batch is full by then.
TEST(PipelineTrace, BarrierByHand) {
  const Scene scene(std::make_unique<Stamped>(3), task, std::string(times) + "hand_over = 'barrier'", 2, 2);
  const std::vector<std::string> found = lines(scene.run());
  const auto full = std::ranges::find(found, "120 judged 0.1.1");
  ASSERT_NE(full, found.end());
  const std::vector<std::string> expected{
      "122 served 0.1.2 after 4", "122 closed 0.1.2",       "122 consumed 0.1.0 at 0", "122 consumed 0.1.1 at 0",
      "122 judged 1.1.0",         "129 trained 1",          "134 handed over 1",       "138 served 1.1.1 after 20",
      "138 consumed 0.1.2 at 1",  "138 consumed 1.1.0 at 1"};
  ASSERT_GT(found.end() - full, std::ssize(expected));
  EXPECT_EQ(std::vector(full + 1, full + 1 + std::ssize(expected)), expected);
}

// A batch is full again at 122 while the first is trained: 1.1.2, asked at 126, is refused, and sent again 4 s and then
// 6 s later. The batch is taken at 132.
TEST(PipelineTrace, RefusalsByHand) {
  const Scene scene(std::make_unique<Stamped>(3), task, std::string(times) + "hand_over = 'pause503'", 2, 2);
  const Result result = scene.run();
  const std::vector<std::string> found = lines(result);
  EXPECT_EQ(std::ranges::count(found, "126 refused 1.1.2"), 1);
  EXPECT_EQ(std::ranges::count(found, "130 refused 1.1.2"), 1);
  EXPECT_EQ(std::ranges::count(found, "136 asked 1.1.2"), 1);
  EXPECT_EQ(result.serving.refused, 2);
  EXPECT_EQ(result.serving.pauses, 1);
  EXPECT_EQ(result.serving.stalled, ticks(10));
}

}  // namespace
