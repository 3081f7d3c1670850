// Can an aggregator mask updates, with a ring of its own, phases in which clients drop out, and sessions that fail?

#include "tests/sim/round/masked_sums.hpp"

#include <gtest/gtest.h>

#include <cmath>

#include "tests/sim/round/rounds.hpp"
#include "tests/sim/round/scripted.hpp"

namespace shoal {
namespace {

using namespace shoal::test;

constexpr double bound = 4;

// Phases 3 and 4 are the protocol's: of nine clients, some are lost in each phase.
const std::string experiment =
    "planner = {cohort = 9}\naggregator = {bound = 4}\nlocal = {steps = 2, block = 2}\n"
    "population = {dropouts = [0.05, 0.05, 0.1, 0.1, 0.3]}\n"
    "[task]\nname = \"quadratic\"\nclients = 20\ndimension = 50\nexamples = 7\nprecision = \"float64\"\n";

// The exact sum under the same phases.
class ExactUnderPhases final : public Aggregator {
 public:
  std::vector<ProtocolPhase> phases(std::span<const Wire> wires, double expected_cohort) const override {
    return masked_phases(wires, expected_cohort);
  }
  std::unique_ptr<Collector> open(const AggregationPlan& plan) const override { return sum_->open(plan); }

 private:
  std::shared_ptr<const Aggregator> sum_ = part<Aggregator>("aggregator", "exact_sum");
};

Federation with(const std::string& toml, std::shared_ptr<const Aggregator> aggregator) {
  Federation parts = federation(toml);
  parts.aggregator = std::move(aggregator);
  return parts;
}

// The largest difference of the means of one round: every client's value is rounded to half a step of the ring once.
// The ring has 32 bits for the sum of nine clients with 7 examples each.
double ring_step() { return std::ldexp(1.0, -ring_exponent<std::uint32_t>(9 * 7, bound)); }

TEST(MaskedSums, EqualTheExactSumToTheRingsResolution) {
  for (const std::string& attack : {std::string(), std::string("attack = {name = \"sign_flip\", malicious = 8}\n")}) {
    const auto masked = std::make_shared<MaskedSum>();
    const Played exact = play(with(attack + experiment, std::make_shared<ExactUnderPhases>()), 8);
    const Played hidden = play(with(attack + experiment, masked), 8);
    std::int64_t committed = 0, dropouts = 0, lost_while_unmasking = 0;
    for (std::size_t r = 0; r < exact.records.size(); ++r) {
      const RoundRecord& record = hidden.records[r];
      ASSERT_EQ(record.verdict, Verdict::commit);
      EXPECT_EQ(record.committed, exact.records[r].committed);
      committed += record.committed;
      dropouts += record.dropouts;
      for (const ClientRow& row : record.clients) {
        if (row.participation.outcome != dropout_in(4)) continue;
        ++lost_while_unmasking;
        EXPECT_TRUE(row.committed);  // its masked update had arrived
      }
    }
    EXPECT_GT(lost_while_unmasking, 0);
    EXPECT_GT(dropouts, 0);
    EXPECT_EQ(committed + dropouts, 8 * 9);
    EXPECT_GT(masked->log->missing, 0);
    // Whoever attacks, a round at most doubles the difference of the models and adds half a step.
    const double first = (hidden.params[0] - exact.params[0]).abs().max().item<double>();
    EXPECT_LE(first, 0.5 * ring_step() * (1 + 1e-9));
    EXPECT_GT(first, 0);
    EXPECT_LE((hidden.last() - exact.last()).abs().max().item<double>(), 128 * ring_step());
  }
}

// A client is rejected after its partners have added their masks.
TEST(MaskedSums, RecoverTheMasksOfRejectedClients) {
  const auto strategy = std::make_shared<Scripted>();
  strategy->value = [](const Participation& p, std::size_t) {
    return p.client == ClientId{1} ? 1e9 : 0.5 * value(p.client);  // exact in the ring
  };
  Federation parts = scripted(std::make_shared<UnequalTask>(5, 3), strategy, all_clients(), 2);
  parts.aggregator = std::make_shared<MaskedSum>();
  const Played played = play(parts, 1, {3, 1});
  EXPECT_EQ(played.records[0].rejected, 1);
  expect_close(played.strategy.tensor("mean 0"), std::vector<double>(3, 0.5 * (0 + 2 + 3 + 4) / 4), 1e-15, "mean");
}

TEST(MaskedSums, HaveTheSameBitsOnAnyRanks) {
  const Federation parts = with(experiment, std::make_shared<MaskedSum>());
  const Played one = play(parts, 4);
  for (const Hands hands : {Hands{1, 3}, Hands{2, 1}, Hands{3, 2}, Hands{5, 1}}) {
    EXPECT_EQ(play(parts, 4, hands).bits, one.bits) << hands.ranks << " ranks, " << hands.threads << " threads";
  }
}

TEST(MaskedSums, HideWhatASingleClientSends) {
  // One client alone has no partner, so its words are plain; with a second one in the cohort they are not.
  const auto words_of = [](std::int64_t cohort) {
    AggregationPlan plan{.total_weight = {1}};
    plan.wires.push_back(plain_wire({.name = "values", .size = 3, .bound = bound}, at::kFloat));
    plan.scales.resize(1);
    for (std::int64_t c = 0; c < cohort; ++c) {
      plan.cohort.push_back({.id = ParticipationId{c}, .client = ClientId{c}});
      plan.contributing.push_back(static_cast<std::size_t>(c));
    }
    MaskingLog log;
    MaskedSums collector(plan, 1, log);
    collector.add({.channels = {Rows(at::full({1, 3}, 1.0, at::kDouble))},
                   .weights = {{1}},
                   .shares = {{1}},
                   .accepted = {true},
                   .block = {plan.cohort[0]}});
    return collector.words(0);
  };
  const auto plain = static_cast<std::uint32_t>(std::ldexp(1.0, ring_exponent<std::uint32_t>(1, bound)));
  EXPECT_EQ(words_of(1), std::vector<std::uint32_t>(3, plain));
  for (const std::uint32_t word : words_of(2)) EXPECT_NE(word, plain);
}

// Five clients have an update; with fewer than six the session is refused, and no client trains.
TEST(MaskedSums, AreRefusedBeforeTraining) {
  const auto strategy = std::make_shared<Scripted>();
  std::atomic<int> trained = 0;
  strategy->value = [&](const Participation&, std::size_t) {
    ++trained;
    return 1.0;
  };
  Federation parts = scripted(std::make_shared<UnequalTask>(5, 1), strategy);
  parts.aggregator = std::make_shared<MaskedSum>(6);
  const Played played = play(parts, 2, {2, 1});
  EXPECT_EQ(trained, 0);
  for (const RoundRecord& record : played.records) {
    EXPECT_EQ(record.verdict, Verdict::abandoned);
    EXPECT_EQ(record.reason, "5 of 6 clients are there");
    EXPECT_EQ(record.committed, 0);
    EXPECT_EQ(record.dropouts, 5);
    EXPECT_EQ(value(record.version), 0);
    for (const ClientRow& row : record.clients) EXPECT_FALSE(row.committed);
  }
  EXPECT_EQ(played.records[1].round, 2);
  EXPECT_GT(played.records[1].time, played.records[0].time);
  parts.aggregator = std::make_shared<MaskedSum>(5);
  EXPECT_EQ(play(parts, 2, {2, 1}).records[1].reason, "");
  EXPECT_EQ(trained, 10);
}

const std::string personal =
    "strategy = \"ditto\"\nplanner = {cohort = 4}\n"
    "[task]\nname = \"quadratic\"\nclients = 4\ndimension = 3\nprecision = \"float64\"\n";

TEST(MaskedSums, LeaveClientMemoryAloneWhenRefused) {
  const Played refused = play(with(personal, std::make_shared<MaskedSum>(5)), 2, {2, 1});
  EXPECT_EQ(refused.records[1].verdict, Verdict::abandoned);
  EXPECT_TRUE(refused.memory.empty());
  EXPECT_EQ(play(with(personal, std::make_shared<MaskedSum>(4)), 1, {2, 1}).memory.size(), 4U);
}

// Fails when all updates are in, in every round but the first.
class Failing final : public Aggregator {
 public:
  std::unique_ptr<Collector> open(const AggregationPlan& plan) const override {
    class Collects final : public Collector {
     public:
      explicit Collects(std::unique_ptr<Collector> sums, std::int64_t round) : sums_(std::move(sums)), round_(round) {}
      void add(const Contribution& contribution) override { sums_->add(contribution); }
      void merge(Collector& other) override { sums_->merge(*dynamic_cast<Collects&>(other).sums_); }
      Intake finish(Communicator& comm, ThreadPool& pool, State& state) override {
        Intake intake = sums_->finish(comm, pool, state);
        if (round_ > 1) intake.aborted = "too few shares";
        return intake;
      }

     private:
      std::unique_ptr<Collector> sums_;
      std::int64_t round_;
    };
    return std::make_unique<Collects>(sum_->open(plan), plan.round);
  }

 private:
  std::shared_ptr<const Aggregator> sum_ = part<Aggregator>("aggregator", "exact_sum");
};

TEST(FailedSessions, AbandonTheRound) {
  const Played one = play(with(personal, std::make_shared<Failing>()), 1);
  for (const Hands hands : {Hands{1, 1}, Hands{3, 1}}) {
    const Played three = play(with(personal, std::make_shared<Failing>()), 3, hands);
    EXPECT_EQ(three.records[0].verdict, Verdict::commit);
    for (const std::size_t r : {1, 2}) {
      const RoundRecord& record = three.records[r];
      EXPECT_EQ(record.verdict, Verdict::abandoned);
      EXPECT_EQ(record.reason, "too few shares");
      EXPECT_EQ(record.committed, 0);
      EXPECT_EQ(value(record.version), 1);
      EXPECT_TRUE(at::equal(three.params[r], one.params[0]));
      for (const ClientRow& row : record.clients) {
        EXPECT_FALSE(row.committed);
        EXPECT_GT(row.figures.steps, 0);  // it has trained and sent its update all the same
        EXPECT_GT(row.figures.bytes_up, 0);
      }
    }
    ASSERT_EQ(three.memory.size(), 4U);
    for (const auto& [client, record] : three.memory) {
      EXPECT_TRUE(at::equal(record[0], one.memory.at(client)[0])) << value(client);
    }
  }
}

// The bytes of the phases follow from the cohort that is expected, those of the upload from the ring: 3 words of 32
// bits for 3 doubles, also where a codec has left one of them.
TEST(MaskedSums, CountTheBytesOfTheirWords) {
  for (const std::string codec : {"", "codec = {name = \"top_k\", keep = 0.3}\n"}) {
    const Federation parts = with(codec + personal, std::make_shared<MaskedSum>(1));
    const RoundRecord record = play(parts, 1).records[0];
    ASSERT_EQ(record.committed, 4);
    EXPECT_EQ(record.bytes_down, 4 * (3 * 8 + 32 * 4));
    EXPECT_EQ(record.bytes_up, 4 * (3 * 4 + 32 + 16 * 4));
    for (const ClientRow& row : record.clients) EXPECT_EQ(row.figures.bytes_up, 3 * 4 + 32 + 16 * 4);
    FederationState state(parts, 1, 0);
    EXPECT_EQ(make_world(parts, state, parts.local->at(1)).bytes_sent(ClientId{0}), 3 * 4);
  }
}

// So do those of a first exchange.
TEST(MaskedSums, CountTheWordsOfAFirstExchange) {
  std::string mime = personal;
  mime.replace(mime.find("ditto"), 5, "mime");
  const Federation parts = with(mime, std::make_shared<MaskedSum>(1));
  FederationState state(parts, 1, 0);
  const World world = make_world(parts, state, parts.local->at(1));
  ASSERT_EQ(world.protocol.size(), 4U);
  EXPECT_EQ(world.protocol[1].bytes_up, 3 * 4);
  EXPECT_EQ(world.protocol[2].bytes_down, 3 * 8);
}

}  // namespace
}  // namespace shoal
