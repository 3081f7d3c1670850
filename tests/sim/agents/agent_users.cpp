// Are there as many users of each kind as the settings say?

#include "sim/agents/users/agent_users.hpp"

#include <gtest/gtest.h>

#include <cmath>

namespace shoal {
namespace {

using talk::Rule;

AgentUsers users(const std::string& toml, std::uint64_t seed = 1) { return {Settings::parse(toml, "test.toml"), seed}; }

bool opposes(Rule rule) { return static_cast<int>(rule) >= AgentUsers::tastes; }
std::size_t taste(Rule rule) { return static_cast<std::size_t>(rule) % AgentUsers::tastes; }

// Five standard deviations of a share of n.
double noise(double p, double n) { return 5 * std::sqrt(p * (1 - p) / n) + 1e-12; }

TEST(AgentUsers, HaveTheSharesInTheSettings) {
  constexpr int n = 4000;
  for (const double share : {0.0, 0.3, 1.0}) {
    const AgentUsers all = users(fmt::format("conflicts = {}\ntwo_rules = {}", share, 1 - share));
    double against = 0, two = 0;
    std::array<int, talk::topics> topics{};
    for (int i = 0; i < n; ++i) {
      const talk::User user = all.user(i);
      ASSERT_GE(user.rules.size(), 1U);
      ASSERT_LE(user.rules.size(), 2U);
      against += opposes(user.rules[0]);
      if (user.rules.size() == 2) {
        ++two;
        EXPECT_NE(taste(user.rules[0]), taste(user.rules[1]));
        EXPECT_EQ(opposes(user.rules[0]), opposes(user.rules[1]));
      }
      ++topics[user.topic];
    }
    EXPECT_NEAR(against / n, share, noise(share, n));
    EXPECT_NEAR(two / n, 1 - share, noise(share, n));
    for (const int count : topics) EXPECT_NEAR(count / double{n}, 1.0 / talk::topics, noise(1.0 / talk::topics, n));
  }
}

// Dirichlet with parameter a over three: a proportion has mean 1/3 and variance (2/9) / (3 a + 1).
TEST(AgentUsers, ConcentrationSetsTheTastesOfTopics) {
  for (const double a : {1e-4, 0.5, 5.0, 1e5}) {
    double mean = 0, variance = 0, count = 0;
    for (std::uint64_t seed = 1; seed <= 200; ++seed) {
      const AgentUsers all = users(fmt::format("concentration = {}", a), seed);
      for (int topic = 0; topic < talk::topics; ++topic) {
        double sum = 0;
        for (const double p : all.proportions(topic)) {
          EXPECT_GE(p, 0);
          sum += p;
        }
        EXPECT_NEAR(sum, 1, 1e-12);
        const double p = all.proportions(topic)[0];
        mean += p;
        variance += (p - 1.0 / 3) * (p - 1.0 / 3);
        ++count;
      }
    }
    const double expected = 2.0 / 9 / (3 * a + 1);
    EXPECT_NEAR(mean / count, 1.0 / 3, 5 * std::sqrt(expected / count)) << a;
    EXPECT_NEAR(variance / count, expected, 0.2 * expected) << a;
  }
}

TEST(AgentUsers, OfATopicHaveItsTastes) {
  const AgentUsers all = users("concentration = 1");
  std::array<std::array<double, AgentUsers::tastes>, talk::topics> found{};
  std::array<double, talk::topics> of_topic{};
  for (int i = 0; i < 16'000; ++i) {
    const talk::User user = all.user(i);
    ++found[user.topic][taste(user.rules[0])];
    ++of_topic[user.topic];
  }
  for (int topic = 0; topic < talk::topics; ++topic) {
    for (std::size_t i = 0; i < found[topic].size(); ++i) {
      const double p = all.proportions(topic)[i];
      EXPECT_NEAR(found[topic][i] / of_topic[topic], p, noise(p, of_topic[topic])) << topic << " " << i;
    }
  }
}

// Users have a second rule even if their topic has one taste, and settings do not redraw the users.
TEST(AgentUsers, ArePairedAcrossSettings) {
  const AgentUsers plain = users("concentration = 1e-6"),
                   other = users("concentration = 1e-6\ntwo_rules = 1\nconflicts = 1");
  for (int i = 0; i < 100; ++i) {
    const talk::User a = plain.user(i), b = other.user(i);
    EXPECT_EQ(a.topic, b.topic);
    ASSERT_EQ(a.rules.size(), 1U);
    ASSERT_EQ(b.rules.size(), 2U);
    EXPECT_EQ(b.rules[0], talk::opposite(a.rules[0]));
  }
}

}  // namespace
}  // namespace shoal
