// Does a participation end when, and in the phase in which, the policy, chance and the deadline say?

#include "sim/clients/fate.hpp"

#include <gtest/gtest.h>

#include <array>
#include <cmath>

#include "datasets/traces/trace_file.hpp"
#include "experiments/tasks/shared/population.hpp"

namespace shoal {
namespace {

Population population(const std::string& toml) {
  const Settings settings = Settings::parse(toml, "test.toml");
  Population made = make_population(settings, 1, 100'000);
  settings.finish();
  return made;
}

constexpr Ticks s(std::int64_t count) { return Ticks{count * value(second)}; }

// Download until 10 s, training until 70 s, upload until 100 s.
const std::vector<Ticks> phases = {s(10), s(70), s(100)};

// A trace of one device, available from 0 to 40 s and from 60 to 90 s of every 200 s.
class TracedFate : public testing::Test {
 protected:
  TracedFate() {
    Trace trace;
    trace.add({.period = value(s(200))}, {{0, value(s(40))}, {value(s(60)), value(s(90))}});
    write_trace(trace, "fate-trace.h5");
  }
  ~TracedFate() override { std::remove("fate-trace.h5"); }

  static Fate fate(const char* policy, Ticks start, const Terms& terms = {}) {
    const Population people = population(
        fmt::format("offline = \"{}\"\navailability = {{name = \"trace\", file = \"fate-trace.h5\"}}", policy));
    return fate_of(people, ClientId{3}, ParticipationId{0}, start, phases, terms);
  }
};

void expect(const Fate& fate, Ticks finish, Outcome outcome) {
  EXPECT_EQ(value(fate.finish), value(finish));
  EXPECT_EQ(fate.outcome, outcome);
}

TEST_F(TracedFate, AbortsWhenTheClientLeaves) {
  expect(fate("abort", s(0)), s(40), Outcome::dropout_in_training);
  expect(fate("abort", s(35)), s(40), Outcome::dropout_in_download);
  expect(fate("abort", s(30)), s(40), Outcome::dropout_in_training);  // the download has just ended
  expect(fate("abort", s(50)), s(50), Outcome::dropout_in_download);  // not available at all
  expect(fate("abort", s(265)), s(290), Outcome::dropout_in_training);
}

TEST_F(TracedFate, PausesAndContinues) {
  // 100 s of work: 40 + 30 in the first period, 30 of the second one's first 40.
  expect(fate("pause", s(0)), s(230), Outcome::completes);
  expect(fate("pause", s(60)), s(200 + 60 + 30), Outcome::completes);  // 30 + 40 + 30, to the very end
  expect(fate("pause", s(61)), s(401), Outcome::completes);            // 29 + 40 + 30, and 1 of the third
  expect(fate("pause", s(50)), s(200 + 60 + 30), Outcome::completes);  // waits until it is available
}

TEST_F(TracedFate, IsCheckedAtTheEndOnly) {
  expect(fate("check_at_end", s(0)), s(100), Outcome::dropout_in_upload);
  expect(fate("check_at_end", s(130)), s(230), Outcome::completes);
  expect(fate("check_at_end", s(165)), s(265), Outcome::completes);
  expect(fate("check_at_end", s(150)), s(250), Outcome::dropout_in_upload);
}

TEST_F(TracedFate, EndsAtTheDeadline) {
  expect(fate("abort", s(0), {.deadline = s(5)}), s(5), Outcome::dropout_in_download);
  expect(fate("abort", s(0), {.deadline = s(60)}), s(40), Outcome::dropout_in_training);
  expect(fate("pause", s(0), {.deadline = s(55)}), s(55), Outcome::dropout_in_training);  // 40 s done
  expect(fate("pause", s(0), {.deadline = s(220)}), s(220), Outcome::dropout_in_upload);  // 90 s done
  expect(fate("pause", s(0), {.deadline = s(230)}), s(230), Outcome::completes);          // in time to the microsecond
  expect(fate("check_at_end", s(0), {.deadline = s(80)}), s(80), Outcome::dropout_in_upload);
  expect(fate("abort", s(30), {.deadline = s(20)}), s(30), Outcome::dropout_in_download);  // over before it began
}

TEST(Fate, DoesNotDependOnTheOrderOfCalls) {
  const Population people = population("dropouts = [0.1, 0.2, 0.3]\navailability = {name = \"markov\", mean_on = 300}");
  std::vector<Fate> forth, back;
  for (std::int64_t i = 0; i < 500; ++i) {
    forth.push_back(fate_of(people, ClientId{i % 7}, ParticipationId{i}, s(i * 40), phases, {.dropout = 0.1}));
  }
  for (std::int64_t i = 499; i >= 0; --i) {
    back.push_back(fate_of(people, ClientId{i % 7}, ParticipationId{i}, s(i * 40), phases, {.dropout = 0.1}));
  }
  for (std::size_t i = 0; i < 500; ++i) {
    EXPECT_EQ(forth[i].finish, back[499 - i].finish);
    EXPECT_EQ(forth[i].outcome, back[499 - i].outcome);
  }
}

// The share of each outcome among the participations of `count` clients.
template <class Each>
std::array<double, 6> outcomes(const Population& people, const Terms& terms, std::int64_t count, const Each& each,
                               const PhaseEnds& ends = phases) {
  std::array<double, 6> shares{};
  for (std::int64_t i = 0; i < count; ++i) {
    const Fate fate = fate_of(people, ClientId{i}, ParticipationId{i}, s(1000), ends, terms);
    shares[static_cast<std::size_t>(fate.outcome)] += 1.0 / count;
    each(ClientId{i}, fate);
  }
  return shares;
}

constexpr auto nothing = [](ClientId, const Fate&) {};

double tolerance(double p, double count) { return 4.5 * std::sqrt(p * (1 - p) / count); }

TEST(Fate, HasTheDropoutsOfEachPhase) {
  constexpr std::int64_t count = 40000;
  const Population people = population("dropouts = [0.1, 0.2, 0.3]");
  std::array<double, 4> passed{}, dropouts{};
  const auto shares = outcomes(people, {}, count, [&](ClientId, const Fate& fate) {
    const auto o = static_cast<std::size_t>(fate.outcome);
    passed[o] += seconds(fate.finish - s(1000));
    ++dropouts[o];
    if (o == 0) {
      EXPECT_EQ(fate.finish, s(1100));
    }
    if (o > 0) {
      EXPECT_GE(fate.finish - s(1000), o == 1 ? s(0) : phases[o - 2]);
      EXPECT_LE(fate.finish - s(1000), phases[o - 1]);
    }
  });
  const double expected[] = {0.9 * 0.8 * 0.7, 0.1, 0.9 * 0.2, 0.9 * 0.8 * 0.3};
  for (std::size_t o = 0; o < 4; ++o) EXPECT_NEAR(shares[o], expected[o], tolerance(expected[o], count)) << o;
  // At a uniform moment of the phase: means 5, 40 and 85 s.
  EXPECT_NEAR(passed[1] / dropouts[1], 5, 4.5 * 10 / std::sqrt(12 * dropouts[1]));
  EXPECT_NEAR(passed[2] / dropouts[2], 40, 4.5 * 60 / std::sqrt(12 * dropouts[2]));
  EXPECT_NEAR(passed[3] / dropouts[3], 85, 4.5 * 30 / std::sqrt(12 * dropouts[3]));
}

TEST(Fate, KnowsTheFurtherPhasesOfAProtocol) {
  const std::vector<Ticks> five = {s(10), s(70), s(100), s(110), s(130)};
  const Population people = population("dropouts = [0, 0, 0, 0, 0.25]");
  const auto shares = outcomes(
      people, {}, 20000,
      [](ClientId, const Fate& fate) {
        if (fate.outcome != Outcome::completes) {
          EXPECT_GE(fate.finish, s(1110));
        }
      },
      five);
  EXPECT_EQ(dropout_in(4), Outcome{5});
  EXPECT_NEAR(shares[5], 0.25, tolerance(0.25, 20000));
  EXPECT_NEAR(shares[0], 0.75, tolerance(0.25, 20000));
}

TEST(Fate, HasTheDropoutOfTheTier) {
  const Population people = population("devices = {name = \"tiers\", speeds = [1, 1], dropout = [0.5, 0]}");
  double of_tier[2] = {}, dropouts[2] = {};
  outcomes(people, {.dropout = 0.2}, 20000, [&](ClientId client, const Fate& fate) {
    const int tier = people.device(client).tier;
    ++of_tier[tier];
    dropouts[tier] += fate.outcome == Outcome::completes ? 0 : 1;
  });
  // Independent of the planner's dropout: 1 - (1 - 0.5) (1 - 0.2).
  EXPECT_NEAR(dropouts[0] / of_tier[0], 0.6, tolerance(0.6, of_tier[0]));
  EXPECT_NEAR(dropouts[1] / of_tier[1], 0.2, tolerance(0.2, of_tier[1]));
}

TEST(Fate, IsCertainAtTheEnds) {
  EXPECT_NEAR(outcomes(population(""), {}, 1000, nothing)[0], 1, 1e-9);
  EXPECT_EQ(outcomes(population(""), {.dropout = 1}, 1000, nothing)[0], 0);
  EXPECT_EQ(outcomes(population("consent = {task = 0}"), {}, 1000, nothing)[0], 0);
}

// P(a Markov client stays for a whole participation) = e^(-length / mean_on): what the abort policy leaves.
TEST(Fate, DropsOutAsOftenAsStretchesEnd) {
  const Population people = population("availability = {name = \"markov\", mean_on = 250, mean_off = 50}");
  double started = 0, completed = 0;
  for (std::int64_t i = 0; i < 40000; ++i) {
    if (!people.available(ClientId{i}, s(1000))) continue;
    ++started;
    completed += fate_of(people, ClientId{i}, ParticipationId{i}, s(1000), phases, {}).outcome == Outcome::completes;
  }
  const double expected = std::exp(-100.0 / 250);
  EXPECT_NEAR(completed / started, expected, tolerance(expected, started));
}

// Mean time of 100 s of work that begins while the client is available: 100 s, and mean_off for each of the
// 100 / mean_on interruptions.
TEST(Fate, PausesForTheTimeOfTheAbsences) {
  const Population people =
      population("offline = \"pause\"\navailability = {name = \"markov\", mean_on = 50, mean_off = 30}");
  double started = 0, took = 0;
  for (std::int64_t i = 0; i < 40000; ++i) {
    if (!people.available(ClientId{i}, s(1000))) continue;
    const Fate fate = fate_of(people, ClientId{i}, ParticipationId{i}, s(1000), phases, {});
    ASSERT_EQ(fate.outcome, Outcome::completes);
    ++started;
    took += seconds(fate.finish - s(1000));
  }
  // A compound Poisson time: variance 2 (100 / 50) 30^2.
  EXPECT_NEAR(took / started, 100 + 2 * 30, 4.5 * std::sqrt(2 * 2 * 900 / started));
}

TEST(Fate, DropsAPausedClientThatNeverReturns) {
  const Population people = population("offline = \"pause\"\nconsent = {withdrawals = 2000}");  // after 43 s on average
  int dropouts = 0;
  for (std::int64_t i = 0; i < 200; ++i) {
    const Fate fate = fate_of(people, ClientId{i}, ParticipationId{i}, s(0), phases, {});
    const Ticks leaves = people.stretch(ClientId{i}, Ticks{}).until;
    EXPECT_EQ(fate.outcome == Outcome::completes, leaves >= s(100));
    EXPECT_EQ(fate.finish, std::min(leaves, s(100)));
    dropouts += fate.outcome == Outcome::completes ? 0 : 1;
  }
  EXPECT_GT(dropouts, 100);
}

TEST(PartialWork, HasItsShareAndLevels) {
  const Population people = population("partial = {share = 0.5, levels = 4}");
  double whole = 0, parts[5] = {};
  for (std::int64_t i = 0; i < 40000; ++i) {
    const double fraction = people.partial().fraction(1, ClientId{i % 100}, ParticipationId{i});
    ++parts[std::lround(fraction * 4)];
    ASSERT_DOUBLE_EQ(fraction * 4, std::round(fraction * 4));
    whole += fraction == 1 ? 1 : 0;
  }
  EXPECT_EQ(parts[0], 0);
  EXPECT_NEAR(whole / 40000, 0.5 + 0.5 / 4, tolerance(0.625, 40000));
  for (int k = 1; k < 4; ++k) EXPECT_NEAR(parts[k] / 40000, 0.125, tolerance(0.125, 40000));
  const Population smooth = population("partial = {share = 1}");
  double sum = 0;
  for (std::int64_t i = 0; i < 40000; ++i) {
    const double fraction = smooth.partial().fraction(1, ClientId{i % 100}, ParticipationId{i});
    ASSERT_GT(fraction, 0);
    ASSERT_LE(fraction, 1);
    sum += fraction;
  }
  EXPECT_NEAR(sum / 40000, 0.5, 4.5 / std::sqrt(12 * 40000.0));
}

}  // namespace
}  // namespace shoal
