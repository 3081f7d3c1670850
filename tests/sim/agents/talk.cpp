// The small language: are rules and answers checked rightly, and do replies and conversations read as declared?

#include <gtest/gtest.h>

#include "sim/agents/users/conversation.hpp"

namespace shoal::talk {
namespace {

constexpr Token x = filler_tokens.first;

RandomStream draws(std::int64_t which = 0) { return {random_key(7, "agents/world"), which}; }

TEST(Rules, HoldForRepliesReadByHand) {
  const std::vector<Token> brief{equals_token, number_tokens[7], end_token},
      marked{bold_token, equals_token, number_tokens[7], x, end_token};
  const std::vector<Token> warm{x, equals_token, number_tokens[7], warm_tokens[1], x, x, x, x, x, x, end_token};
  EXPECT_TRUE(satisfies(Rule::plain, brief));
  EXPECT_FALSE(satisfies(Rule::plain, marked));
  EXPECT_TRUE(satisfies(Rule::bolder, marked));
  EXPECT_TRUE(satisfies(Rule::shorter, marked));
  EXPECT_FALSE(satisfies(Rule::shorter, warm));
  EXPECT_TRUE(satisfies(Rule::longer, warm));
  EXPECT_FALSE(satisfies(Rule::longer, marked));
  EXPECT_TRUE(satisfies(Rule::warmer, warm));
  EXPECT_TRUE(satisfies(Rule::colder, marked));
  const std::vector<Token> cut(longest_reply, x);  // never ended
  EXPECT_TRUE(satisfies(Rule::longer, cut));
}

TEST(Rules, OppositesExcludeEachOther) {
  const std::array<std::string, rules> names{"plain", "longer", "warmer", "bolder", "shorter", "colder"};
  for (int r = 0; r < rules; ++r) {
    const Rule rule = static_cast<Rule>(r);
    EXPECT_EQ(opposite(opposite(rule)), rule);
    EXPECT_NE(opposite(rule), rule);
    EXPECT_EQ(text(token_of(rule)), names[r]);
  }
}

TEST(Answers, AreRightOnlyAlone) {
  const Question question{3, 4};
  EXPECT_TRUE(is_correct(question, std::vector<Token>{equals_token, number_tokens[7], end_token}));
  EXPECT_FALSE(is_correct(question, std::vector<Token>{equals_token, number_tokens[8], end_token}));
  EXPECT_FALSE(is_correct(question, std::vector<Token>{number_tokens[7], number_tokens[8], end_token}));
  EXPECT_FALSE(is_correct(question, std::vector<Token>{end_token}));
  EXPECT_FALSE(is_correct(question, {}));
}

TEST(Language, SatisfiesRulesByChanceAsOftenAsDeclared) {
  constexpr int n = 20000;
  RandomStream random = draws();
  std::array<double, rules> share{};
  for (int i = 0; i < n; ++i) {
    const std::vector<Token> reply = model_reply({2, 3}, {}, random);
    ASSERT_TRUE(is_correct({2, 3}, reply));
    ASSERT_LE(reply.size(), longest_reply);
    for (int r = 0; r < rules; ++r) share[r] += satisfies(static_cast<Rule>(r), reply) ? 1.0 / n : 0;
  }
  // Four deviations of a share of 20,000 are 0.014. Of geometric lengths: 0.818^8 and 1 - 0.818^3 for long and short;
  // 0.182 / (1 - 0.818 (1 - p)) for no mark with p = 0.334 and no warm token with p = 0.0247.
  EXPECT_NEAR(share[0], 0.182 / (1 - 0.818 * 0.666), 0.015);
  EXPECT_NEAR(share[1], std::pow(0.818, 8), 0.015);
  EXPECT_NEAR(share[2], 1 - 0.182 / (1 - 0.818 * 0.9753), 0.015);
  EXPECT_NEAR(share[4], 1 - std::pow(0.818, 3), 0.015);
  EXPECT_NEAR(share[0] + share[3], 1, 1e-9);
  EXPECT_NEAR(share[2] + share[5], 1, 1e-9);
}

TEST(Language, FollowsWhatItWasTold) {
  RandomStream random = draws(1);
  for (int a = 0; a < rules; ++a) {
    for (int b = 0; b < rules; ++b) {
      const std::array told{static_cast<Rule>(a), static_cast<Rule>(b)};
      for (int i = 0; i < 200; ++i) {
        const std::vector<Token> reply = model_reply({9, 9}, told, random);
        EXPECT_TRUE(satisfies(told[1], reply)) << text(reply);
        EXPECT_EQ(satisfies(told[0], reply) || told[0] == opposite(told[1]), true)
            << a << ' ' << b << ": " << text(reply);
        EXPECT_TRUE(is_correct({9, 9}, reply));
        EXPECT_LE(reply.size(), longest_reply);
      }
    }
  }
}

TEST(Conversation, PromptsWithTheFailedReply) {
  const User user{.topic = 1, .rules = {Rule::plain}};
  UserBehaviour behaviour;
  behaviour.directive = 1;
  RandomStream random = draws(2);
  Conversation talk(user, behaviour, random);
  const auto [a, b] = talk.question();
  const std::string sum = std::to_string(a) + " + " + std::to_string(b);
  EXPECT_EQ(text(talk.prompt()), "grading user: " + sum + " agent:");

  const Reaction first =
      talk.react(std::vector<Token>{bold_token, equals_token, number_tokens[a + b], end_token}, random);
  EXPECT_FALSE(first.satisfied);
  EXPECT_TRUE(first.correct);
  EXPECT_EQ(first.said, Rule::plain);
  EXPECT_EQ(text(talk.prompt()), "grading user: " + sum + " agent: ** = " + std::to_string(a + b) +
                                     " <end> user: again plain " + sum + " agent:");

  const Reaction second = talk.react(std::vector<Token>{end_token}, random);
  EXPECT_TRUE(second.follows);
  EXPECT_FALSE(second.correct);
  EXPECT_FALSE(second.said);
  EXPECT_EQ(text(talk.prompt()), "grading user: " + sum + " agent: <end> user: again wrong plain " + sum + " agent:");

  EXPECT_FALSE(talk.done());
  EXPECT_TRUE(talk.react(std::vector<Token>{equals_token, number_tokens[a + b], end_token}, random).satisfied);
  EXPECT_TRUE(talk.done());
}

TEST(Conversation, EndsWhenItsUserGivesUp) {
  const User user{.topic = 0, .rules = {Rule::warmer, Rule::bolder}};
  UserBehaviour behaviour;
  behaviour.most_turns = 3;
  RandomStream random = draws(3);
  Conversation talk(user, behaviour, random);
  for (int i = 0; i < 3; ++i) {
    EXPECT_FALSE(talk.done());
    talk.react(std::vector<Token>(longest_reply, x), random);
    EXPECT_LE(std::ssize(talk.prompt()) + 5 + longest_reply, context);
  }
  EXPECT_TRUE(talk.done());
}

TEST(Hints, AreInTheLastMessage) {
  const std::vector<Token> prompt{topic_tokens[0], user_token,       number_tokens[1],
                                  plus_token,      number_tokens[1], agent_token};
  const std::vector<Token> said{token_of(Rule::longer), token_of(Rule::plain)};
  EXPECT_EQ(text(Conversation::hinted(prompt, said)), "homework user: 1 + 1 hint: longer plain agent:");
}

TEST(Hints, SayWhatTheirKindPromises) {
  RandomStream random = draws(4);
  EXPECT_TRUE(hint_tokens(Hint::none, Rule::plain, random).empty());
  EXPECT_EQ(text(hint_tokens(Hint::right, Rule::longer, random)), "longer");
  EXPECT_EQ(text(hint_tokens(Hint::opposite, Rule::longer, random)), "shorter");
  EXPECT_EQ(text(hint_tokens(Hint::irrelevant, Rule::longer, random)), "weather");
  std::array<int, rules> seen{};
  for (int i = 0; i < 4000; ++i) ++seen[hint_tokens(Hint::another_rule, Rule::longer, random)[0] - rule_tokens.first];
  const auto times = [&](Rule rule) { return seen[static_cast<int>(rule)]; };
  EXPECT_EQ(times(Rule::longer), 0);
  EXPECT_EQ(times(Rule::shorter), 0);
  for (const Rule r : {Rule::plain, Rule::bolder, Rule::warmer, Rule::colder})
    EXPECT_NEAR(times(r), 1000, 120);  // over four deviations
}

TEST(Lessons, FitTheContextAndEnd) {
  RandomStream random = draws(5);
  int hints = 0, corrections = 0, side = 0;
  for (int i = 0; i < 5000; ++i) {
    const Lesson lesson = talk::lesson(random);
    ASSERT_LE(std::ssize(lesson.prompt) + std::ssize(lesson.reply), context);
    ASSERT_EQ(lesson.prompt.back(), agent_token);
    ASSERT_EQ(lesson.reply.back(), end_token);
    hints += std::ranges::count(lesson.prompt, hint_token);
    corrections += std::ranges::count(lesson.prompt, again_token);
    side += std::ranges::count(lesson.prompt, note_token);
  }
  EXPECT_GT(hints, 1000);
  EXPECT_GT(corrections, 1000);
  EXPECT_NEAR(side, 500, 90);
}

}  // namespace
}  // namespace shoal::talk
