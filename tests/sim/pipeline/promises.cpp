// Does serving never wait, is nothing staler than the bound, and is no turn lost or duplicated whatever fails?

#include <gtest/gtest.h>

#include "sim/agents/policy.hpp"
#include "tests/sim/pipeline/fakes.hpp"

namespace {

using namespace shoal;
using namespace shoal::pipeline;
using Kind = TraceEntry::Kind;

std::unique_ptr<Policy> linear() { return make_part<Policy>("policy", "linear", Settings()); }

std::vector<std::pair<TurnKey, Ticks>> latencies(const std::string& mode, double slowness) {
  const Scene scene(linear(), "rate = 0\nsessions = 6\n",
                    fmt::format("hand_over = '{}'\nslots = 2\njudge_seconds = {}\njudge_timeout = 1e7\n"
                                "update_seconds = {}\nside = 0.2\n",
                                mode, 5 * slowness, 30 * slowness),
                    12);
  std::vector<std::pair<TurnKey, Ticks>> all;
  for (const TraceEntry& e : of_kind(scene.run(), Kind::served)) all.emplace_back(e.turn, e.latency);
  return all;
}

// With constant weights all conversations are the same, so every latency can be compared.
TEST(Pipeline, NeverBlocksServingWhenSwapping) {
  const auto usual = latencies("swap", 1);
  ASSERT_GT(usual.size(), 200);
  EXPECT_EQ(usual, latencies("swap", 100));
  const bool some_wait = std::ranges::any_of(usual, [](const auto& served) { return served.second > ticks(3); });
  EXPECT_TRUE(some_wait) << "no request waited, so latencies cannot differ";
}

// The same comparison, where it must fail.
TEST(Pipeline, BlocksServingAtBarriersAndRefusals) {
  for (const std::string mode : {"barrier", "pause503"}) EXPECT_NE(latencies(mode, 1), latencies(mode, 100)) << mode;
}

struct Bound {
  std::string mode, update;
  int eta;
};

std::vector<Bound> bounds() {
  std::vector<Bound> all;
  for (const std::string mode : {"barrier", "pause503", "interrupt", "swap"}) {
    for (const int eta : {0, 1, 2}) {
      all.push_back({mode, "at_once", eta});
      if (mode != "barrier" && eta > 0) all.push_back({mode, "one_behind", eta});
    }
  }
  return all;
}

// Counts ages by the stamped policy's log-probabilities, not by the pipeline's counters: they are minus the version, of
// the serving weights in `rolled` and of the trainer's in `current`.
class Ages final : public Objective {
 public:
  bool takes(const Signals&) const override { return true; }
  double loss(const Sample& sample, RowView<double>) const override {
    for (const Position& p : sample.positions) ++tokens[std::llround(p.rolled - p.current[p.token])];
    mixed += sample.positions.front().rolled != sample.positions.back().rolled;
    return 0;
  }
  mutable std::map<std::int64_t, std::int64_t> tokens;  // consumed tokens by age
  mutable std::int64_t mixed = 0;                       // replies of several versions
};

TEST(Pipeline, TrainsNoTokenBeyondTheStalenessBound) {
  std::int64_t too_old = 0, mixed = 0;
  for (const auto& [mode, update, eta] : bounds()) {
    Scene scene(std::make_unique<Stamped>(12), "rate = 1\nbatch = 8\nsessions = 12\n",
                fmt::format("hand_over = '{}'\nupdate = '{}'\neta = {}\nupdate_seconds = 40\ntoken_seconds = 2\n"
                            "judge_seconds = 20\nslots = 6\n",
                            mode, update, eta),
                10);
    auto objective = std::make_unique<Ages>();
    const Ages& ages = *objective;
    scene.objective = std::move(objective);
    const Result result = scene.run();
    const std::string label = fmt::format("{} {} {}", mode, update, eta);
    ASSERT_GT(result.updates, 5) << label;
    EXPECT_EQ(ages.tokens.begin()->first, 0) << label;
    EXPECT_EQ(ages.tokens.rbegin()->first, eta) << label;  // the bound is kept, and reached
    for (const auto& [age, tokens] : ages.tokens) {
      EXPECT_EQ(result.training.staleness[age], tokens) << label;
    }
    if (update == "one_behind") {
      EXPECT_EQ(ages.tokens.at(0), 8 * 12) << label;  // the first batch; then serving is one version behind
    }
    too_old += dropped(result, Reason::stale);
    if (mode == "interrupt") {
      mixed += ages.mixed;
    } else {
      EXPECT_EQ(ages.mixed, 0) << label;
    }
  }
  EXPECT_GT(too_old, 0);
  EXPECT_GT(mixed, 0);
}

TEST(Pipeline, ServesVersionsInOrder) {
  for (const std::string mode : {"barrier", "pause503", "interrupt", "swap"}) {
    const Scene scene(std::make_unique<Stamped>(12), "rate = 1\nbatch = 8\nsessions = 12\n",
                      fmt::format("hand_over = '{}'\ntoken_seconds = 2\nslots = 6\neta = 1\n", mode), 10);
    const Result result = scene.run();
    std::int64_t version = 0;
    for (const TraceEntry& e : result.trace) {
      if (e.kind == Kind::handed_over) {
        EXPECT_EQ(e.version, version + 1);
        version = e.version;
      }
      if (e.kind != Kind::served) continue;
      EXPECT_LE(e.versions.back(), version);
      EXPECT_TRUE(std::ranges::is_sorted(e.versions));
      if (mode == "barrier") {
        EXPECT_EQ(e.versions.front(), version);  // nothing runs while weights change
      }
    }
    EXPECT_GT(version, 3);
  }
}

constexpr const char* everything =
    "late = 0.2\nlate_seconds = 400\nexpiry_seconds = 300\nduplicate = 0.2\nmalformed = 0.1\n"
    "abandon = 0.1\nsilent = 1\nside = 0.2\nbursts = 0.5\ncapacity = 12\nleftover = 'drop'\n"
    "judge_failure = 0.2\njudge_timeout = 12\njudge_workers = 1\nupdate_seconds = 400\n";

// Number of batches (0 or 1) that are consumed but not yet trained when the run ends.
std::int64_t batches_in_training(const Result& result) {
  const auto consumed = of_kind(result, Kind::consumed);
  return !consumed.empty() && consumed.back().version == result.updates ? 1 : 0;
}

TEST(Pipeline, ConservesTurnsWhateverFails) {
  std::array<std::int64_t, reasons.size()> total{};
  for (const std::string mode : {"barrier", "pause503", "interrupt", "swap"}) {
    std::string faults = fmt::format("hand_over = '{}'\n{}", mode, everything);
    if (mode == "pause503") faults += "retries = 1\n";
    if (mode == "interrupt") faults += "admission = true\nmax_concurrent = 9\n";
    const Scene scene(linear(), "batch = 4\nsessions = 30\n", faults, 12, 0, 0.1);
    const Result result = scene.run();
    EXPECT_EQ(result.produced, result.consumed + all_dropped(result) + result.resident) << mode;
    std::set<TurnKey> consumed, main;
    for (const TraceEntry& e : result.trace) {
      if (e.kind == Kind::consumed) {
        EXPECT_TRUE(consumed.insert(e.turn).second) << mode;
      }
    }
    EXPECT_EQ(std::ssize(consumed), result.consumed);
    EXPECT_EQ(result.consumed, 4 * (result.updates + batches_in_training(result))) << mode;
    EXPECT_GT(result.updates, 3) << mode;
    for (std::size_t r = 0; r < total.size(); ++r) total[r] += result.dropped[r];
    EXPECT_GT(result.collection.duplicated, 0) << mode;
    EXPECT_GT(result.collection.late, 0) << mode;
    EXPECT_GT(result.collection.side, 0) << mode;
    EXPECT_GT(result.judging.failed, 0) << mode;
    EXPECT_GT(result.judging.timed_out, 0) << mode;
    EXPECT_GT(result.serving.malformed, 0) << mode;
    EXPECT_EQ(result.serving.malformed, std::ssize(of_kind(result, Kind::malformed))) << mode;
    EXPECT_EQ(result.produced,
              result.collection.main + dropped(result, Reason::malformed) + dropped(result, Reason::not_admitted))
        << mode;
    EXPECT_EQ(result.served, result.produced + result.collection.side) << mode;
    if (mode == "pause503") {
      EXPECT_GT(result.gave_up, 0);
    }
  }
  for (std::size_t r = 0; r < total.size(); ++r) {
    if (static_cast<Reason>(r) == Reason::no_signal) continue;  // the objective takes every turn
    EXPECT_GT(total[r], 0) << reasons[r];
  }
}

TEST(Pipeline, ExpiresSessionsOfUsersWhoNeverAnswer) {
  const Scene scene(linear(), "sessions = 5\n", "silent = 2\nexpiry_seconds = 100\n", 2);
  const Result result = scene.run();
  EXPECT_EQ(result.produced, 10);  // one reply per session
  EXPECT_EQ(result.consumed, 0);
  EXPECT_EQ(result.collection.joined, 0);
  EXPECT_EQ(result.collection.expired + result.resident, 10);
  EXPECT_GT(result.collection.expired, 5);
  EXPECT_EQ(result.collection.expired, dropped(result, Reason::expired));
}

TEST(Pipeline, BurstsBeginTogether) {
  const Scene scene(linear(), "sessions = 5\n", "bursts = 1\nburst_seconds = 500\n", 4);
  int begun = 0;
  for (const TraceEntry& e : of_kind(scene.run(), Kind::asked)) {
    if (e.turn.turn > 0) continue;
    EXPECT_EQ(value(e.time) % value(ticks(500)), 0);
    ++begun;
  }
  EXPECT_GT(begun, 10);
}

TEST(Pipeline, IsAFunctionOfSeedAndReplicate) {
  const std::string faults = fmt::format("hand_over = 'interrupt'\n{}", everything);
  const Scene scene(linear(), "batch = 4\nsessions = 10\n", faults, 6);
  const Result once = scene.run(3, 5);
  EXPECT_EQ(once.trace, scene.run(3, 5).trace);
  EXPECT_NE(once.trace, scene.run(4, 5).trace);
  EXPECT_NE(once.trace, scene.run(3, 6).trace);
}

// The time until 20 updates, at equal speeds of all components.
TEST(Pipeline, IsAtLeastAsFastAsTheSynchronousBarrier) {
  double barrier = 0, swap = 0;
  for (int replicate = 0; replicate < 5; ++replicate) {
    const auto duration = [&](const std::string& mode) {
      const Scene scene(linear(), "sessions = 1000\nrate = 0\n",
                        fmt::format("hand_over = '{}'\nupdate = 'at_once'\neta = 2\nslots = 2\n", mode), 10, 20);
      const Result result = scene.run(replicate);
      EXPECT_EQ(result.updates, 20);
      return seconds(result.end);
    };
    const double b = duration("barrier"), s = duration("swap");
    EXPECT_LE(s, b);
    barrier += b;
    swap += s;
  }
  EXPECT_LT(swap, 0.95 * barrier);
}

TEST(PipelineSettings, RefuseWhatHasNoEffect) {
  const auto read = [](const std::string& toml) {
    const Settings settings = Settings::parse(toml, "test.toml");
    const PipelineSettings pipeline(settings);
    settings.finish();
  };
  read("hand_over = 'pause503'\nretries = 3\n");
  EXPECT_THROW(read("retries = 3\n"), UserError);
  EXPECT_THROW(read("max_concurrent = 3\n"), UserError);
  EXPECT_THROW(read("eta = 0\nupdate = 'one_behind'\n"), UserError);
  EXPECT_THROW(read("hand_over = 'barrier'\nupdate = 'one_behind'\n"), UserError);
  EXPECT_THROW(read("reduce = 'token_mean'\n"), UserError);
  for (const std::string teacher : {"refresh:", "refresh:0", "refresh:2x", "moving"}) {
    EXPECT_THROW(LearningSettings(Settings::parse("teacher = '" + teacher + "'", "test.toml")), UserError) << teacher;
  }
  EXPECT_EQ(LearningSettings(Settings::parse("teacher = 'refresh:4'", "test.toml")).refresh, 4);
}

}  // namespace
