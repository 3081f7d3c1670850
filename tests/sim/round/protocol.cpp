// Do the phases of an aggregator's protocol take time and bytes and lose clients where and when they should?

#include <gtest/gtest.h>

#include <cmath>

#include "sim/round/run_round.hpp"
#include "tests/sim/round/scene.hpp"
#include "tests/sim/round/scripted.hpp"

namespace shoal {
namespace {

using namespace shoal::test;

// An exact sum with an exchange of keys before the download and a recovery of masks after the upload.
class WithProtocol final : public Aggregator {
 public:
  std::unique_ptr<Collector> open(const AggregationPlan& plan) const override { return sum_->open(plan); }
  std::vector<ProtocolPhase> phases(std::span<const Wire>, double) const override {
    return {{.name = "keys",
             .place = ProtocolPhase::Place::before_download,
             .seconds = 1,
             .bytes_down = 300,
             .bytes_up = 50},
            {.name = "unmask", .seconds = 2, .bytes_up = 100, .operations = 1000}};
  }

 private:
  std::shared_ptr<const Aggregator> sum_ = part<Aggregator>("aggregator", "exact_sum");
};

// One client with 100 bytes/s down, 50 bytes/s up, 1000 operations/s; 1 example of 10 operations; 8 bytes each way (one
// float64). So the keys end at 1 + 3 + 1 = 5 s, the download at 5.08 s, training at 5.09 s, the upload at 5.25 s and
// the recovery at 5.25 + 2 + 2 + 1 = 10.25 s.
const std::string slow = "gflops = 1e-6\ndown_mbytes = 1e-4\nup_mbytes = 5e-5\ntraining_watts = 3\nradio_watts = 1\n";

RoundRecord round_of(const std::string& population, Terms terms = {}) {
  Federation parts =
      scripted(std::make_shared<UnequalTask>(std::vector<std::int64_t>{1}), std::make_shared<Scripted>(),
               [&](State& state, World& world) {
                 RoundPlan plan;
                 plan.starts.push_back(world.start(ParticipationId{state.integer("starts")++}, ClientId{0}, terms));
                 const Participation& p = plan.starts[0];
                 plan.time = p.finish;
                 if (p.outcome == Outcome::completes) {
                   plan.commits.push_back({p.id});
                 } else {
                   plan.dropouts.push_back(p.id);
                   plan.verdict = Verdict::abandoned;
                 }
                 return plan;
               });
  parts.aggregator = std::make_shared<WithProtocol>();
  parts.population =
      std::make_shared<Population>(make_population(Settings::parse(slow + population, "test.toml"), 1, 1));
  const auto communicator = single_rank();
  FederationState state(parts, 1, 0);
  Trainers trainers(*parts.task, 1);
  return run_round(parts, state, *communicator, trainers);
}

const ClientRow& only(const RoundRecord& record) { return record.clients.at(0); }

TEST(Protocol, TakesTimeBytesAndEnergy) {
  const RoundRecord record = round_of("");
  EXPECT_EQ(only(record).participation.outcome, Outcome::completes);
  EXPECT_EQ(value(only(record).participation.finish), 10'250'000);
  EXPECT_EQ(record.bytes_down, 8 + 300);
  EXPECT_EQ(record.bytes_up, 8 + 50 + 100);
  EXPECT_NEAR(only(record).joules, 3 * 0.01 + 1 * 10.24, 1e-9);
}

TEST(Protocol, LosesClientsInItsPhases) {
  const RoundRecord keys = round_of("dropouts = [0, 0, 0, 1]");
  EXPECT_EQ(only(keys).participation.outcome, dropout_in(3));
  EXPECT_LT(value(only(keys).participation.finish), 5'000'000);
  EXPECT_EQ(keys.bytes_up, 0);
  EXPECT_EQ(only(keys).figures.steps, 0);
  EXPECT_NEAR(only(keys).joules, seconds(only(keys).participation.finish), 1e-9);  // no training

  const RoundRecord unmask = round_of("dropouts = [0, 0, 0, 0, 1]");
  EXPECT_EQ(only(unmask).participation.outcome, dropout_in(4));
  EXPECT_GE(value(only(unmask).participation.finish), 5'250'000);
  EXPECT_LT(value(only(unmask).participation.finish), 10'250'000);
  EXPECT_EQ(unmask.bytes_up, 8 + 50);  // the update and the keys were sent
  EXPECT_EQ(only(unmask).figures.steps, 1);

  const RoundRecord upload = round_of("dropouts = [0, 0, 1]");
  EXPECT_EQ(only(upload).participation.outcome, Outcome::dropout_in_upload);
  EXPECT_GE(value(only(upload).participation.finish), 5'090'000);
  EXPECT_LT(value(only(upload).participation.finish), 5'250'000);
  EXPECT_EQ(upload.bytes_up, 50);
}

TEST(Protocol, LosesClientsAtDeadlinesInItsPhases) {
  const auto outcome_by = [](double limit) {
    const RoundRecord record = round_of("", {.deadline = ticks(limit)});
    EXPECT_EQ(only(record).participation.finish, ticks(limit));
    return only(record).participation.outcome;
  };
  EXPECT_EQ(outcome_by(4.99), dropout_in(3));
  EXPECT_EQ(outcome_by(5.02), Outcome::dropout_in_download);
  EXPECT_EQ(outcome_by(5.085), Outcome::dropout_in_training);
  EXPECT_EQ(outcome_by(5.1), Outcome::dropout_in_upload);
  EXPECT_EQ(outcome_by(6), dropout_in(4));
}

TEST(Protocol, ChargesTheShareOfALostDownload) {
  // Without a protocol, the download takes 0.08 s; half of it is done at the deadline.
  const Scene scene(std::make_shared<UnequalTask>(std::vector<std::int64_t>{1}), slow);
  World world = scene.world(Ticks{}, 8, 8);
  const Participation p = world.start(ParticipationId{0}, ClientId{0}, {.deadline = ticks(0.04)});
  EXPECT_EQ(p.outcome, Outcome::dropout_in_download);
  EXPECT_NEAR(world.joules(p), 0.04, 1e-9);
  const Spending spent = world.spending(p);
  EXPECT_NEAR(spent.bytes, 4, 1e-6);
  EXPECT_NEAR(spent.seconds, 0.04, 1e-9);
}

}  // namespace
}  // namespace shoal
