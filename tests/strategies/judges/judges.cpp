// Do judges err as often as their settings say, and at the right cost?

#include <gtest/gtest.h>

#include <cmath>

#include "strategies/judges/shared/votes.hpp"

namespace {

using shoal::Evidence;
using shoal::Judge;
using shoal::Judgement;
using shoal::NextState;
using shoal::RandomStream;

std::unique_ptr<Judge> judge(const std::string& toml) {
  return shoal::make_part<Judge>("judge", "confusion", shoal::Settings::parse(toml, "test.toml"));
}

RandomStream stream(std::int64_t number) { return {shoal::random_key(1, "agents/judge"), number}; }

constexpr int many = 40'000;
const Evidence failed{.reward = -1}, satisfied{.reward = 1};

struct Means {
  double plus = 0, minus = 0, vote = 0, valid = 0, seconds = 0, tokens = 0;
};

Means over(const Judge& judge, const Evidence& evidence) {
  Means means;
  RandomStream random = stream(0);
  for (int i = 0; i < many; ++i) {
    const Judgement j = judge.judge(evidence, random);
    means.plus += j.reward > 0 ? 1 : 0;
    means.minus += j.reward < 0 ? 1 : 0;
    means.vote += j.mean_vote;
    means.valid += j.valid;
    means.seconds += j.seconds;
    means.tokens += j.tokens;
  }
  for (double* sum : {&means.plus, &means.minus, &means.vote, &means.valid, &means.seconds, &means.tokens})
    *sum /= many;
  return means;
}

// Four standard errors of a share of `many`.
double slack(double p) { return 4 * std::sqrt(p * (1 - p) / many); }

TEST(Votes, MajorityByHand) {
  EXPECT_NEAR(shoal::wrong_majority(0.37, 3, 0), 0.309394, 1e-6);  // 3 p^2 - 2 p^3
  EXPECT_NEAR(shoal::wrong_majority(0.37, 5, 0), 0.267012, 1e-6);
  EXPECT_NEAR(shoal::wrong_majority(0.37, 2, 0), 0.37 * 0.37, 1e-12);  // both are wrong; otherwise a tie or right
  EXPECT_NEAR(shoal::wrong_majority(0.37, 3, 1), 0.37, 1e-12);
  EXPECT_NEAR(shoal::wrong_majority(0.37, 3, 0.5), (0.37 + 0.309394) / 2, 1e-6);
  EXPECT_NEAR(shoal::single_vote_rate(0.309394, 3, 0), 0.37, 1e-5);
  EXPECT_NEAR(shoal::single_vote_rate(0.267012, 5, 0), 0.37, 1e-5);
  for (const int votes : {1, 2, 3, 8})
    for (const double correlation : {0.0, 0.3, 1.0})
      for (const double rate : {0.0, 0.01, 0.37, 0.9, 1.0})
        EXPECT_NEAR(shoal::wrong_majority(shoal::single_vote_rate(rate, votes, correlation), votes, correlation), rate,
                    1e-12);
}

TEST(Judges, HaveTheErrorRatesOfTheMajority) {
  for (const char* votes : {"", "votes = 3", "votes = 5\nvote_correlation = 0.4", "votes = 4"}) {
    const auto confusion = judge("false_positive = 0.37\nfalse_negative = 0.1\n" + std::string(votes));
    EXPECT_NEAR(over(*confusion, failed).plus, 0.37, slack(0.37)) << votes;
    EXPECT_NEAR(over(*confusion, satisfied).minus, 0.1, slack(0.1)) << votes;
    EXPECT_EQ(over(*confusion, {.reward = -1, .tool = true}).plus, 0) << votes;
  }
  EXPECT_EQ(over(*judge("false_positive = 1\nvotes = 3"), failed).plus, 1);
  EXPECT_NEAR(over(*judge("name = 'coin'"), failed).plus, 0.5, slack(0.5));
}

TEST(Judges, MeanOfVotesHasTheSingleRate) {
  // Three votes that are each wrong with probability 0.37 have the mean -1 + 2 x 0.37.
  const auto confusion = judge(fmt::format("false_positive = {}\nvotes = 3", shoal::wrong_majority(0.37, 3, 0)));
  EXPECT_NEAR(over(*confusion, failed).vote, -1 + 2 * 0.37, 2 * slack(0.37));
  EXPECT_EQ(over(*confusion, failed).valid, 3);
}

TEST(Judges, IgnoreVotesThatFailed) {
  const auto one = over(*judge("failure = 0.25"), satisfied);
  EXPECT_NEAR(one.plus, 0.75, slack(0.25));
  EXPECT_EQ(one.minus, 0);
  const auto three = over(*judge("failure = 0.25\nvotes = 3"), satisfied);
  EXPECT_NEAR(three.plus, 1 - std::pow(0.25, 3), slack(std::pow(0.25, 3)));  // right unless all three failed
  EXPECT_NEAR(three.valid, 3 * 0.75, 3 * slack(0.25));
  EXPECT_EQ(over(*judge("failure = 1\nvotes = 3"), satisfied).valid, 0);
}

TEST(Judges, SeeWhatTheNextStateShows) {
  const auto vote = [](const char* context, const Evidence& evidence) {
    RandomStream random = stream(1);
    return judge(fmt::format("context = '{}'", context))->judge(evidence, random).reward;
  };
  const Evidence gave_up{.reward = -1, .shows = NextState::moved_on},
      once_more{.reward = 1, .shows = NextState::repeated};
  EXPECT_EQ(vote("blind", gave_up), 1);
  EXPECT_EQ(vote("full", gave_up), -1);
  EXPECT_EQ(vote("blind", once_more), -1);
  EXPECT_EQ(vote("full", once_more), 1);
  EXPECT_EQ(vote("blind", {.reward = 1, .tool = true, .shows = NextState::tool_error}), -1);
  EXPECT_EQ(vote("blind", failed), -1);  // nothing is known of the next state
}

TEST(Judges, TakeTimeAndTokens) {
  // A log-normal with median m and deviation s of its logarithm has mean m exp(s^2 / 2).
  const auto one = over(*judge("latency = 2\ntokens = 100\nspread = 0.5"), failed);
  const double mean = std::exp(0.125);
  EXPECT_NEAR(one.seconds, 2 * mean, 0.05);
  EXPECT_NEAR(one.tokens, 100 * mean, 2.5);
  const auto three = over(*judge("votes = 3\nlatency = 2\ntokens = 100\nspread = 0.5"), failed);
  EXPECT_NEAR(three.tokens, 300 * mean, 5);
  EXPECT_GT(three.seconds, one.seconds);  // the slowest of three
  EXPECT_LT(three.seconds, 3 * one.seconds);
  EXPECT_EQ(over(*judge("votes = 3\nlatency = 2\nspread = 0"), failed).seconds, 2);
}

TEST(Judges, DrawNothingForUnusedSettings) {
  // One number for an error and one for no vote: the third of the stream is the same under all of these.
  const auto third = [](const std::string& toml) {
    RandomStream random = stream(7);
    judge(toml)->judge(failed, random);
    return random.bits();
  };
  RandomStream random = stream(7);
  random.uniform();
  random.uniform();
  const std::uint32_t expected = random.bits();
  for (const char* toml : {"", "false_positive = 0.37\nneutral = 0.1", "context = 'full'", "spread = 1"})
    EXPECT_EQ(third(toml), expected) << toml;
  EXPECT_NE(third("failure = 0.1"), expected);
}

}  // namespace
