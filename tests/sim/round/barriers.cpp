// Do clients wait for each other where a protocol says so, for those that are still there and for no others?

#include "sim/round/barriers.hpp"

#include <gmock/gmock.h>

#include <algorithm>
#include <cmath>

#include "tests/sim/round/rounds.hpp"
#include "tests/sim/round/scene.hpp"
#include "tests/sim/round/scripted.hpp"

namespace shoal {
namespace {

using namespace shoal::test;

// An exact sum that begins to recover masks when the last update is in. The recovery takes 2 + 2 + 1 s.
class Recovering final : public Aggregator {
 public:
  std::unique_ptr<Collector> open(const AggregationPlan& plan) const override { return sum_->open(plan); }
  std::vector<ProtocolPhase> phases(std::span<const Wire>, double) const override {
    return {{.name = "unmask", .seconds = 2, .bytes_up = 100, .operations = 1000, .waits = true, .binding = false}};
  }

 private:
  std::shared_ptr<const Aggregator> sum_ = part<Aggregator>("aggregator", "exact_sum");
};

// 100 bytes/s down, 50 bytes/s up, 1000 operations/s; 10 operations per example; 8 bytes each way (one float64). The
// upload of a client with e examples ends after 0.08 + e / 100 + 0.16 s.
const std::string slow = "gflops = 1e-6\ndown_mbytes = 1e-4\nup_mbytes = 5e-5\ntraining_watts = 3\nradio_watts = 1\n";
double upload_end(std::int64_t examples) { return 0.24 + 0.01 * examples; }
constexpr double recovery = 5;

Federation recovering(const std::vector<std::int64_t>& examples, const std::string& population,
                      const std::string& planner) {
  Federation parts = scripted(std::make_shared<UnequalTask>(examples), std::make_shared<Scripted>());
  parts.aggregator = std::make_shared<Recovering>();
  parts.planner = part<Planner>("planner", "uniform", planner);
  parts.population = std::make_shared<Population>(
      make_population(Settings::parse(slow + population, "test.toml"), 1, std::ssize(examples)));
  return parts;
}

TEST(Barriers, BeginWhenTheSlowestHasSentItsUpdate) {
  const std::vector<std::int64_t> examples = {1, 100, 300};
  const RoundRecord record = play(recovering(examples, "", "cohort = 3"), 1).records[0];
  EXPECT_EQ(value(record.time), 8'240'000);
  ASSERT_EQ(record.committed, 3);
  for (const ClientRow& row : record.clients) {
    EXPECT_EQ(value(row.participation.finish), 8'240'000);
    const double training = 0.01 * examples[value(row.participation.client)];
    EXPECT_NEAR(row.joules, 3 * training + (8.24 - training), 1e-9);
    EXPECT_EQ(row.figures.bytes_up, 8 + 100);
  }
}

// Clients of 1 to 400 examples.
std::vector<std::int64_t> unequal(std::int64_t clients) {
  std::vector<std::int64_t> examples;
  for (std::int64_t c = 0; c < clients; ++c) examples.push_back(1 + 37 * c % 400);
  return examples;
}

// The time from the start at which the recovery begins: of those that have sent their update, the slowest counts.
double barrier_of(const RoundRecord& record, const std::vector<std::int64_t>& examples) {
  double last = 0;
  for (const ClientRow& row : record.clients) {
    const Outcome outcome = row.participation.outcome;
    if (outcome != Outcome::completes && outcome != dropout_in(3)) continue;
    last = std::max(last, upload_end(examples[value(row.participation.client)]));
  }
  return last;
}

TEST(Barriers, DoNotWaitForThoseThatDropOutBefore) {
  const std::vector<std::int64_t> examples = unequal(30);
  const Played played = play(recovering(examples, "dropouts = [0.1, 0.3, 0.1, 0.3]", "cohort = 8"), 30);
  int not_waited_for = 0, lost_in_recovery = 0;
  for (const RoundRecord& record : played.records) {
    const double barrier = barrier_of(record, examples);
    for (const ClientRow& row : record.clients) {
      const Participation& p = row.participation;
      const double end = upload_end(examples[value(p.client)]), took = seconds(p.finish - p.start);
      if (p.outcome == Outcome::completes) {
        EXPECT_NEAR(took, barrier + recovery, 2e-6);
      } else if (p.outcome == dropout_in(3)) {
        ++lost_in_recovery;
        EXPECT_TRUE(row.committed);
        EXPECT_GE(took, end - 1e-6);
        EXPECT_LT(took, barrier + recovery);
      } else {
        EXPECT_LT(took, end);
        not_waited_for += end > barrier ? 1 : 0;
      }
    }
  }
  EXPECT_GT(not_waited_for, 5);
  EXPECT_GT(lost_in_recovery, 5);
}

// A client that goes offline while it waits is gone at that instant, and had been waited for until it had sent.
TEST(Barriers, LoseClientsThatGoOfflineWhileTheyWait) {
  const std::vector<std::int64_t> examples = unequal(30);
  const Federation parts =
      recovering(examples, "availability = {name = \"bernoulli\", period = 5, probability = 0.6}", "cohort = 8");
  const Played played = play(parts, 30);
  int lost_while_waiting = 0;
  for (const RoundRecord& record : played.records) {
    const double barrier = barrier_of(record, examples);
    for (const ClientRow& row : record.clients) {
      const Participation& p = row.participation;
      if (p.outcome == Outcome::completes) {
        EXPECT_NEAR(seconds(p.finish - p.start), barrier + recovery, 2e-6);
        continue;
      }
      EXPECT_FALSE(parts.population->available(p.client, p.finish));
      if (p.outcome == dropout_in(3) && seconds(p.finish - p.start) < barrier) ++lost_while_waiting;
    }
  }
  EXPECT_GT(lost_while_waiting, 0);
}

// A day's quota counts as much as the participations spend in the end.
TEST(Barriers, AreChargedToQuotas) {
  const std::vector<std::int64_t> examples = {1, 300};
  const Scene scene(std::make_shared<UnequalTask>(examples), slow);
  World world = scene.world(Ticks{}, 8, 8);
  world.protocol = Recovering().phases({}, 0);
  DailyUse used("");
  world.used = &used;
  std::vector<Participation> starts = {world.start(ParticipationId{0}, ClientId{0}),
                                       world.start(ParticipationId{1}, ClientId{1})};
  const Spending alone = used.today(ClientId{0}, Ticks{});
  hold_at_barriers(starts, {}, world);
  EXPECT_NEAR(alone.seconds, upload_end(1) + recovery, 1e-6);
  for (const Participation& p : starts) {
    const Spending counted = used.today(p.client, Ticks{}), spent = world.spending(p);
    EXPECT_NEAR(counted.seconds, upload_end(300) + recovery, 1e-6);
    EXPECT_NEAR(counted.joules, spent.joules, 1e-9);
    EXPECT_NEAR(counted.bytes, spent.bytes, 1e-9);
  }
}

std::string refusal(const Federation& parts) {
  try {
    parts.check();
  } catch (const UserError& error) {
    return error.what();
  }
  return "accepted";
}

TEST(Barriers, NeedPlannersThatWaitForAll) {
  Federation parts = recovering({1, 2, 3}, "", "cohort = 2");
  EXPECT_EQ(refusal(parts), "accepted");
  parts.planner = part<Planner>("planner", "fed_buff", "concurrency = 2\nbuffer = 1");
  EXPECT_THAT(refusal(parts), testing::HasSubstr("does not wait for all of them"));
  EXPECT_THAT(refusal(recovering({1, 2, 3}, "offline = \"pause\"", "cohort = 2")), testing::HasSubstr("offline pause"));
}

}  // namespace
}  // namespace shoal
