// Sessions of users with a policy, by hand: their replies, judgements and refusals.

#include "sim/agents/users/sessions.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "tests/sim/agents/voter.hpp"

namespace shoal {
namespace {

using talk::Rule;
using test::Voter;

// Answers right, with a format mark or without.
class Parrot final : public RolloutWorker {
 public:
  explicit Parrot(bool marks, double log_prob = -1) : marks_(marks), log_prob_(log_prob) {}
  void load(const at::Tensor&) override {}
  void reply(std::span<const std::span<const Token>> prompts, double, std::span<RandomStream>,
             std::span<Reply> replies) override {
    for (std::size_t i = 0; i < prompts.size(); ++i) {
      const std::span<const Token> p = prompts[i];  // "... a + b agent:"
      const int sum = p[p.size() - 4] + p[p.size() - 2] - 2 * talk::number_tokens.first;
      replies[i].tokens = {talk::equals_token, talk::number_tokens[sum], talk::end_token};
      if (marks_) replies[i].tokens.insert(replies[i].tokens.begin(), talk::bold_token);
      replies[i].log_probs.assign(replies[i].tokens.size(), log_prob_);
    }
  }
  at::Tensor log_probs(std::span<const Exchange>) override { return {}; }
  void add_gradient(std::span<const Exchange>, const at::Tensor&, at::Tensor&) override {}

 private:
  bool marks_;
  double log_prob_;
};

std::vector<SessionLog> hold(RolloutWorker&& worker, const Judge& judge, const talk::UserBehaviour& behaviour,
                             int count) {
  talk::User user;
  user.topic = 3;
  user.rules.push_back(Rule::plain);
  const RandomKey key = random_key(1, "agents/rollout");
  std::vector<Session> sessions;
  for (int i = 0; i < count; ++i) sessions.push_back({user, {key, i, 0}, {key, i, 1}, {key, i, 2}});
  return hold_sessions(worker, sessions, behaviour, judge, 1);
}

TEST(AgentSessions, EndWhenTheUserIsContentAndToolsWereUsed) {
  talk::UserBehaviour behaviour;
  behaviour.tool_success = 1;
  for (const SessionLog& log : hold(Parrot(false), Voter(-1), behaviour, 3)) {
    ASSERT_EQ(log.replies.size(), 3U);
    EXPECT_EQ(log.replies[0].signals.reward, 1);
    EXPECT_EQ(log.replies[1].signals.reward, 1);  // a tool's result
    EXPECT_EQ(log.replies[2].signals.reward, 0);  // nothing follows it
    EXPECT_EQ(log.rejected, 0);
  }
}

TEST(AgentSessions, ContinueUntilTheUserGivesUp) {
  talk::UserBehaviour behaviour;
  behaviour.directive = 1;
  behaviour.most_turns = 5;
  behaviour.tool_turns = 1;
  for (const SessionLog& log : hold(Parrot(true), Voter(-1), behaviour, 2)) {
    ASSERT_EQ(log.replies.size(), 6U);
    for (std::size_t i = 0; i < 5; ++i) {
      const JudgedReply& reply = log.replies[i];
      EXPECT_EQ(reply.signals.reward, -1);
      if (i == 4) {  // a user who gives up does not correct
        EXPECT_EQ(reply.signals.hints, 0);
        EXPECT_TRUE(reply.hinted.empty());
        continue;
      }
      EXPECT_EQ(reply.signals.hints, 1);
      ASSERT_EQ(reply.hinted.size(), 1U);
      // "... hint: plain agent:" in place of "... agent:".
      EXPECT_EQ(reply.hinted[0].size(), reply.prompt.size() + 2);
      EXPECT_EQ(reply.hinted[0][reply.prompt.size() - 1], talk::hint_token);
      EXPECT_EQ(reply.hinted[0][reply.prompt.size()], talk::token_of(Rule::plain));
    }
    EXPECT_EQ(log.replies[5].signals.hints, 0);
  }
}

TEST(AgentSessions, RejectAndCountMalformedVotesAndReplies) {
  talk::UserBehaviour behaviour;
  behaviour.most_turns = 4;
  behaviour.tool_success = 1;
  for (const double vote : {std::nan(""), std::numeric_limits<double>::infinity(), -7.0}) {
    const std::vector<SessionLog> logs = hold(Parrot(true), Voter(vote), behaviour, 2);
    for (const SessionLog& log : logs) {
      EXPECT_EQ(log.rejected, 4) << vote;  // the main turns; votes on tools are well formed
      EXPECT_EQ(log.replies.size(), 2U);
    }
  }
  for (const SessionLog& log : hold(Parrot(false, std::nan("")), Voter(-1), behaviour, 2)) {
    EXPECT_EQ(log.rejected, 3);
    EXPECT_TRUE(log.replies.empty());
  }
}

}  // namespace
}  // namespace shoal
