// Is every form of availability a pure function of (seed, client, time) with the shares, lengths and swings that it
// promises?

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <map>
#include <numbers>
#include <set>

#include "experiments/tasks/shared/population.hpp"
#include "sim/clients/population.hpp"

namespace shoal {
namespace {

using testing::HasSubstr;

Population population(const std::string& toml, std::int64_t clients = 1000, std::uint64_t seed = 1) {
  const Settings settings = Settings::parse(toml, "test.toml");
  Population made = make_population(settings, seed, clients);
  settings.finish();
  return made;
}

std::string user_error_of(const std::string& toml, std::int64_t clients = 1000) {
  try {
    population(toml, clients);
  } catch (const UserError& error) {
    return error.what();
  }
  return "(none)";
}

Ticks at_hour(double hours) { return ticks(3600 * hours); }

// Forms that need no file, with stretches short enough for the tests.
const std::vector<std::string> forms = {
    "availability = {name = \"bernoulli\", probability = 0.3, period = 700}",
    "availability = {name = \"markov\", mean_on = 500, mean_off = 1300}",
    "availability = {name = \"diurnal\", mean = 0.4}\nregions = {zones = [-8, 0, 5.5]}",
    "limits = {power = \"charging\"}\nregions = {zones = [-12, 14]}",
    "limits = {power = \"charging_or_battery\", battery = 0.6}",
    "limits = {idle = true}",
    "limits = {unmetered = true, connected = 0.7}",
    "limits = {check_in_every = 5, check_in_for = 0.5}",
    "limits = {power = \"charging\", idle = true, unmetered = true}\navailability = {name = \"diurnal\", mean = 0.6}",
    "consent = {general = 0.8, task = 0.7, withdrawals = 0.5}",
    "regions = {zones = [0, 3], outage = 0.2, outage_period = 900}",
};

// `until` is a promise about all instants before it, and no answer depends on earlier questions.
TEST(Availability, HoldsUntilItsEndInAnyOrderOfCalls) {
  for (const std::string& form : forms) {
    const Population walked = population(form), jumped = population(form);
    RandomStream random(random_key(7, "planner/selection"), 0);
    for (std::int64_t c = 0; c < 20; ++c) {
      const ClientId client{c};
      for (Ticks time{}; time < at_hour(72);) {
        const Stretch stretch = walked.stretch(client, time);
        ASSERT_GT(stretch.until, time) << form;
        const Ticks end = std::min(stretch.until, at_hour(72));
        for (int probe = 0; probe < 3; ++probe) {
          const std::int64_t ahead = random.below(value(end - time));
          const Ticks inside = time + Ticks{ahead};
          const Stretch found = jumped.stretch(client, inside);
          ASSERT_EQ(found.on, stretch.on) << form << ", client " << c << " at " << value(inside);
          ASSERT_GT(found.until, inside) << form;
        }
        ASSERT_EQ(jumped.stretch(client, end - Ticks{1}).on, stretch.on) << form;
        time = end;
      }
    }
  }
}

TEST(Availability, DependsOnTheSeedAndOnTheClient) {
  for (const std::string& form : forms) {
    const auto trace = [&](std::uint64_t seed, std::int64_t first) {
      const Population people = population(form, 1000, seed);
      std::string text;
      for (std::int64_t c = first; c < first + 40; ++c) {
        for (double hours = 0; hours < 48; hours += 1.7) {
          text += people.available(ClientId{c}, at_hour(hours)) ? '1' : '0';
        }
      }
      return text;
    };
    EXPECT_EQ(trace(3, 0), trace(3, 0));
    EXPECT_NE(trace(3, 0), trace(4, 0)) << form;
    EXPECT_NE(trace(3, 0), trace(3, 40)) << form;
  }
}

// Share of clients that are available at an instant.
double share_at(const Population& people, Ticks time) {
  std::int64_t on = 0;
  for (std::int64_t c = 0; c < people.size(); ++c) on += people.available(ClientId{c}, time) ? 1 : 0;
  return 1.0 * on / people.size();
}

double deviation(double p, double draws) { return std::sqrt(p * (1 - p) / draws); }

TEST(Availability, NeverEndsByDefault) {
  const Population people = population("");
  EXPECT_TRUE(people.stretch(ClientId{5}, Ticks{}).on);
  EXPECT_EQ(people.stretch(ClientId{5}, Ticks{}).until, never);
}

TEST(Bernoulli, HasItsProbabilityInEveryPeriod) {
  const Population people = population("availability = {name = \"bernoulli\", probability = 0.3, period = 60}", 20000);
  for (const double hours : {0.0, 0.5, 31.0}) {
    EXPECT_NEAR(share_at(people, at_hour(hours)), 0.3, 4.5 * deviation(0.3, 20000)) << hours;
  }
  // One client's periods are whole minutes, and independent: on after on is as likely as on.
  std::int64_t on = 0, pairs = 0, both_on = 0;
  bool before = false;
  Ticks last{};
  for (Ticks time{}; time < at_hour(24 * 14);) {
    const Stretch stretch = people.stretch(ClientId{9}, time);
    if (last > Ticks{}) {
      EXPECT_EQ(value(stretch.until - last), 60'000'000);
    }
    last = stretch.until;
    on += stretch.on ? 1 : 0;
    both_on += stretch.on && before ? 1 : 0;
    before = stretch.on;
    ++pairs;
    time = stretch.until;
  }
  EXPECT_NEAR(1.0 * on / pairs, 0.3, 4.5 * deviation(0.3, 20160));
  EXPECT_NEAR(1.0 * both_on / pairs, 0.09, 4.5 * 1.3 * deviation(0.09, 20160));
  // Clients do not change together.
  EXPECT_NE(people.stretch(ClientId{1}, Ticks{}).until, people.stretch(ClientId{2}, Ticks{}).until);
}

// Lengths of the complete stretches of one kind in a long walk, seconds.
std::vector<double> lengths(const Population& people, bool kind, Ticks end) {
  std::vector<double> all;
  for (std::int64_t c = 0; c < people.size(); ++c) {
    Ticks since{-1};  // beginning of the current stretch; -1 for the first, whose beginning is unknown
    bool before = people.available(ClientId{c}, Ticks{});
    for (Ticks time{}; time < end;) {
      const Stretch stretch = people.stretch(ClientId{c}, time);
      if (stretch.on != before) {
        if (before == kind && since >= Ticks{}) all.push_back(seconds(time - since));
        since = time;
        before = stretch.on;
      }
      time = stretch.until;
    }
  }
  return all;
}

TEST(Markov, HasItsShareAndExponentialStretches) {
  const double on = 400, off = 1100, share = on / (on + off);
  const Population people = population("availability = {name = \"markov\", mean_on = 400, mean_off = 1100}", 200);
  // From the first instant on, and at any later one.
  const Population many = population("availability = {name = \"markov\", mean_on = 400, mean_off = 1100}", 20000);
  for (const double hours : {0.0, 0.01, 7.3, 2000.0}) {
    EXPECT_NEAR(share_at(many, at_hour(hours)), share, 4.5 * deviation(share, 20000)) << hours;
  }
  for (const bool kind : {true, false}) {
    const double mean = kind ? on : off;
    const std::vector<double> found = lengths(people, kind, at_hour(200));
    const double count = found.size();
    ASSERT_GT(count, 80'000);  // 200 clients, 720,000 s, a stretch of each kind in 1500 s
    double sum = 0, squares = 0, over = 0;
    for (const double length : found) {
      sum += length;
      squares += length * length;
      over += length > 2 * mean ? 1 : 0;
    }
    // Exponential: deviation = mean, P(length > 2 mean) = e^-2. Stretches that end after the walk are not seen: less
    // than mean / walk of all, and a little more of the long ones.
    EXPECT_NEAR(sum / count, mean, 4.5 * mean / std::sqrt(count) + mean * 3 * mean / 720'000);
    EXPECT_NEAR(std::sqrt(squares / count - std::pow(sum / count, 2)), mean, 0.03 * mean);
    EXPECT_NEAR(over / count, std::exp(-2), 4.5 * deviation(std::exp(-2), count) + 0.002);
  }
  // The chain forgets exponentially: P(on at s + t | on at s) = share + (1 - share) e^(-t (1/on + 1/off)).
  double pairs = 0, still = 0;
  const double later = 300, expected = share + (1 - share) * std::exp(-later * (1 / on + 1 / off));
  for (std::int64_t c = 0; c < many.size(); ++c) {
    if (!many.available(ClientId{c}, at_hour(5))) continue;
    ++pairs;
    still += many.available(ClientId{c}, at_hour(5) + ticks(later)) ? 1 : 0;
  }
  EXPECT_NEAR(still / pairs, expected, 4.5 * deviation(expected, pairs));
}

TEST(Diurnal, SwingsLikeACosine) {
  constexpr std::int64_t clients = 40000;
  const Population people =
      population("availability = {name = \"diurnal\", mean = 0.3, ratio = 4, peak_hour = 3, session = 1800}", clients);
  double highest = 0, lowest = 1;
  for (double hours = 0; hours < 24; hours += 1.5) {
    const double expected = 0.3 * (1 + 0.6 * std::cos(2 * std::numbers::pi * (hours - 3) / 24));
    const double found = share_at(people, at_hour(24 * 5 + hours));
    EXPECT_NEAR(found, expected, 4.5 * deviation(expected, clients)) << hours;
    highest = std::max(highest, found);
    lowest = std::min(lowest, found);
  }
  EXPECT_NEAR(highest / lowest, 4, 0.3);
}

TEST(Diurnal, FollowsLocalTime) {
  // Two zones 12 h apart: when one is at its peak, the other is at its trough.
  const Population people = population(
      "availability = {name = \"diurnal\", mean = 0.3, peak_hour = 0}\n"
      "regions = {zones = [0, 12], shares = [3, 1]}",
      40000);
  double there[2] = {}, on[2] = {};
  for (std::int64_t c = 0; c < people.size(); ++c) {
    const int region = people.region(ClientId{c});
    ++there[region];
    on[region] += people.available(ClientId{c}, at_hour(24)) ? 1 : 0;
  }
  EXPECT_NEAR(there[0], 30000, 4.5 * std::sqrt(40000 * 0.75 * 0.25));
  EXPECT_NEAR(on[0] / there[0], 0.48, 4.5 * deviation(0.48, there[0]));
  EXPECT_NEAR(on[1] / there[1], 0.12, 4.5 * deviation(0.12, there[1]));
}

TEST(Regions, HaveOutagesOfAllTheirClients) {
  const Population people = population("regions = {zones = [0, 1, 2], outage = 0.25, outage_period = 3600}", 300);
  double out = 0;
  constexpr int hours = 2000;
  for (int h = 0; h < hours; ++h) {
    std::map<int, std::set<bool>> seen;
    for (std::int64_t c = 0; c < 300; ++c) {
      seen[people.region(ClientId{c})].insert(people.available(ClientId{c}, at_hour(h + 0.5)));
    }
    for (const auto& [region, states] : seen) {
      ASSERT_EQ(states.size(), 1U);
      out += *states.begin() ? 0 : 1;
    }
  }
  EXPECT_NEAR(out / (3 * hours), 0.25, 4.5 * deviation(0.25, 3 * hours));
}

TEST(Consent, IsDrawnPerTaskAndEndsExponentially) {
  const Population people = population("consent = {general = 0.6, task = 0.5, withdrawals = 0.1}", 40000);
  for (const double days : {0.0, 3.0, 20.0}) {
    const double expected = 0.3 * std::exp(-0.1 * days);
    EXPECT_NEAR(share_at(people, at_hour(24 * days)), expected, 4.5 * deviation(expected, 40000)) << days;
  }
  // A client that has withdrawn never comes back.
  for (std::int64_t c = 0; c < 300; ++c) {
    const Stretch first = people.stretch(ClientId{c}, Ticks{});
    if (!first.on) {
      EXPECT_EQ(first.until, never);
    }
    if (first.on) {
      EXPECT_FALSE(people.stretch(ClientId{c}, first.until).on);
    }
  }
  // Agreement to another purpose is independent, but needs the general agreement too.
  const Population other = population("consent = {general = 0.6, task = 0.5, purpose = \"keyboard\"}", 40000);
  double both_tasks = 0;
  for (std::int64_t c = 0; c < 40000; ++c) {
    both_tasks += people.available(ClientId{c}, Ticks{}) && other.available(ClientId{c}, Ticks{}) ? 1 : 0;
  }
  EXPECT_NEAR(both_tasks / 40000, 0.6 * 0.25, 4.5 * deviation(0.15, 40000));
}

TEST(Availability, RefusesBadSettings) {
  EXPECT_THAT(user_error_of("availability = {name = \"diurnal\", mean = 0.8}"),
              HasSubstr("availability would be 1.28 at the peak"));
  EXPECT_THAT(user_error_of("availability = \"diurnl\""), HasSubstr("The nearest is 'diurnal'."));
  EXPECT_THAT(user_error_of("availability = \"trace\""), HasSubstr("without a file"));
  EXPECT_THAT(user_error_of("availability = {name = \"trace\", file = \"no-such.h5\"}"),
              HasSubstr("there is no trace file 'no-such.h5'"));
  EXPECT_THAT(user_error_of("availability = {name = \"markov\", mean_on = 0}"), HasSubstr("'mean_on' must be"));
  EXPECT_THAT(user_error_of("regions = {zones = [0, 1], shares = [1]}"), HasSubstr("List one share for each."));
  EXPECT_THAT(user_error_of("regions = {zones = []}"), HasSubstr("0 kinds are listed"));
  EXPECT_THAT(user_error_of("limits = {check_in_every = 1, check_in_for = 2}"), HasSubstr("Lower 'check_in_for'."));
  EXPECT_THAT(user_error_of("limits = {power = \"chargin\"}"), HasSubstr("The nearest is 'charging'."));
  EXPECT_THAT(user_error_of("consent = {genral = 0.5}"), HasSubstr("'general'"));
  EXPECT_THAT(user_error_of("offline = \"stop\""), HasSubstr("abort, pause, check_at_end"));
}

}  // namespace
}  // namespace shoal
