// Several replies to one prompt, which GRPO compares: their rewards, what is left out, and whether agents learn.

#include <ATen/ATen.h>
#include <gmock/gmock.h>

#include "sim/agents/agents_task.hpp"
#include "tests/sim/round/rounds.hpp"
#include "tests/sim/round/small_federation.hpp"

namespace shoal {
namespace {

using namespace shoal::test;
using ::testing::HasSubstr;

std::string agents(int group, const std::string& objective) {
  return fmt::format(
      "objective = \"{}\"\n[task]\nname = \"agents\"\nusers = 40\nsessions = 2\ntest_users = 500\n"
      "concentration = 0.1\ngroup = {}\n",
      objective, group);
}

const AgentsTask& task_of(const Federation& parts) { return dynamic_cast<const AgentsTask&>(*parts.task); }

std::vector<SessionLog> held(const AgentsTask& task, int client) {
  std::vector<Session> sessions = task.sessions(participation(client, 10 + client), 0);
  const auto worker = task.policy().rollout_worker();
  worker->load(task.initial());
  return hold_sessions(*worker, sessions, task.settings().behaviour, task.judge(), 1);
}

TEST(Groups, LeaveTheConversationAsItWas) {
  const Federation one = federation(agents(1, "binary_rl")), four = federation(agents(4, "binary_rl"));
  for (int client = 0; client < 20; ++client) {
    const std::vector<SessionLog> alone = held(task_of(one), client), group = held(task_of(four), client);
    for (std::size_t s = 0; s < alone.size(); ++s) {
      ASSERT_EQ(group[s].replies.size(), 4 * alone[s].replies.size());
      for (std::size_t i = 0; i < alone[s].replies.size(); ++i) {
        const JudgedReply& got = group[s].replies[4 * i];
        EXPECT_EQ(got.reply.tokens, alone[s].replies[i].reply.tokens);
        EXPECT_EQ(got.signals.reward, alone[s].replies[i].signals.reward);
        for (std::size_t other = 1; other < 4; ++other) EXPECT_EQ(group[s].replies[4 * i + other].prompt, got.prompt);
      }
    }
  }
}

// The judge makes no errors here, so a vote follows from the user's rules and the tokens.
TEST(Groups, AreJudgedAndComparedWithinAPrompt) {
  const Federation parts = federation(agents(4, "binary_rl"));
  int mixed = 0, different = 0;
  for (int client = 0; client < 40; ++client) {
    const talk::User user = task_of(parts).user(client);
    for (const SessionLog& log : held(task_of(parts), client)) {
      for (std::size_t first = 0; first + 4 < log.replies.size();
           first += 4) {  // not the last turn, which nothing follows
        const std::span<const JudgedReply> group(log.replies.data() + first, 4);
        if (group[0].prompt[1] == talk::tool_token) continue;
        std::vector<double> rewards;
        double sum = 0;
        for (const JudgedReply& reply : group) {
          rewards.push_back(reply.signals.reward);
          sum += reply.signals.advantage;
          different += reply.reply.tokens != group[0].reply.tokens ? 1 : 0;
          // A reply that satisfies follows every rule; its answer has to be right as well.
          for (const talk::Rule rule : user.rules) {
            if (reply.signals.reward > 0 && group[0].prompt.size() < 8) {
              EXPECT_TRUE(talk::satisfies(rule, reply.reply.tokens));
            }
          }
        }
        EXPECT_NEAR(sum, 0, 1e-5);
        const bool alike = std::ranges::all_of(rewards, [&](double r) { return r == rewards[0]; });
        for (std::size_t i = 0; i < 4; ++i) {
          if (alike) {
            EXPECT_EQ(group[i].signals.advantage, 0);
          } else {
            EXPECT_GT(group[i].signals.advantage * group[i].signals.reward, 0);
          }
        }
        mixed += alike ? 0 : 1;
      }
    }
  }
  EXPECT_GT(mixed, 20);
  EXPECT_GT(different, 100);
}

TEST(Groups, OfEqualRewardsTeachGrpoNothing) {
  const Federation parts = federation(agents(4, "grpo"));
  const AgentsTask& task = task_of(parts);
  const auto trainer = task.trainer();
  LocalSettings local;
  local.batch = 0;
  local.steps = 1;
  local.rate = 1;
  for (int client = 0; client < 20; ++client) {
    const std::vector<Participation> block{participation(client, 10 + client)};
    trainer->open(block, local);
    const LocalResult fit = trainer->fit(task.initial(), {});
    std::int64_t compared = 0;
    for (const SessionLog& log : held(task, client)) {
      for (const JudgedReply& reply : log.replies) compared += reply.signals.advantage != 0 ? 1 : 0;
    }
    EXPECT_EQ(fit.figures[0].examples, compared);
    EXPECT_LE(compared, task.work(ClientId{client}).examples);
  }
}

// A judge that is always content and fails for some replies: among the others all votes are equal, so there is nothing
// to compare. Failures that counted as votes of 0 would be worse than the others.
TEST(Groups, LeaveRepliesWithoutVerdictOut) {
  for (const double failure : {0.0, 0.3, 0.9, 1.0}) {
    const Federation parts = federation(fmt::format(
        "judge = {{name = \"confusion\", false_positive = 1, failure = {}}}\n{}", failure, agents(4, "grpo")));
    const AgentsTask& task = task_of(parts);
    const auto trainer = task.trainer();
    const LocalSettings local{.steps = 1, .batch = 0, .rate = 1};
    std::int64_t judged = 0, unjudged = 0;
    for (int client = 0; client < 20; ++client) {
      const std::vector<Participation> block{participation(client, 10 + client)};
      trainer->open(block, local);
      EXPECT_EQ(trainer->fit(task.initial(), {}).figures[0].examples, 0) << failure;
      for (const SessionLog& log : held(task, client)) {
        for (const JudgedReply& reply : log.replies) {
          const bool tool = reply.prompt[1] == talk::tool_token;
          ++(reply.signals.judged ? judged : unjudged);
          if (!tool) {
            EXPECT_EQ(reply.signals.advantage, 0) << failure;
          }
        }
      }
    }
    EXPECT_GT(unjudged, 0);  // at least the last turns of sessions
    EXPECT_EQ(judged == 0, failure == 1);
  }
}

TEST(Groups, LetGrpoLearn) {
  const auto rule_rate = [](const Federation& parts, const at::Tensor& params) {
    const auto trainer = parts.task->trainer();
    double correct = 0, examples = 0;
    for (std::int64_t chunk = 0; chunk < parts.task->chunks("test"); ++chunk) {
      const Evaluation result = trainer->evaluate(params, {"test", chunk});
      correct += result.correct;
      examples += result.examples;
    }
    return correct / examples;
  };
  const Federation parts = federation("local = {rate = 4}\nplanner = {cohort = 20}\n" + agents(8, "grpo"));
  const Played played = play(parts, 40);
  EXPECT_GT(rule_rate(parts, played.last()), rule_rate(parts, parts.task->initial_parameters({})) + 0.2);
}

TEST(Groups, AreNeededByGrpo) {
  try {
    federation(agents(1, "grpo"));
    ADD_FAILURE();
  } catch (const UserError& error) {
    EXPECT_THAT(error.what(), HasSubstr("compares several replies to one prompt (group = 1)"));
  }
}

}  // namespace
}  // namespace shoal
