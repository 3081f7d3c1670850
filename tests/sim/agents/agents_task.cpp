// A client of a federated agent: training on its sessions, weights, refusals, evaluation.

#include "sim/agents/agents_task.hpp"

#include <ATen/ATen.h>
#include <gmock/gmock.h>

#include <cmath>

#include "tests/sim/agents/voter.hpp"
#include "tests/sim/round/rounds.hpp"
#include "tests/sim/round/small_federation.hpp"
#include "tests/sim/task/figures.hpp"

namespace shoal {
namespace {

using namespace shoal::test;
using talk::Rule;
using ::testing::HasSubstr;

const std::string agents =
    "[task]\nname = \"agents\"\nusers = 12\nsessions = 3\ntest_users = 100\nconcentration = 0.2\n";

const AgentsTask& task_of(const Federation& parts) { return dynamic_cast<const AgentsTask&>(*parts.task); }

LocalSettings local_settings(std::int64_t steps) {
  LocalSettings local;
  local.batch = 0;
  local.steps = steps;
  local.rate = 0.5;
  return local;
}

std::vector<Participation> all_clients() {
  std::vector<Participation> all;
  for (int i = 0; i < 6; ++i) all.push_back(participation(i, 10 + i));
  return all;
}

TEST(AgentsTrainer, StepsByTheCorrectedGradient) {
  const Federation parts = federation(agents);
  const auto trainer = parts.task->trainer();
  const std::vector<Participation> block = all_clients();
  LocalSettings local = local_settings(1);
  local.weight_decay = 0.3;
  const at::Tensor start = at::linspace(-1, 1, parts.task->layout().size);
  trainer->open(block, local);
  const at::Tensor g = trainer->gradient(start).delta.dense().clone();
  const at::Tensor anchor = at::ones_like(start), shift = at::linspace(0, 1, 6 * g.size(1)).view({6, -1});
  const LocalResult fit =
      trainer->fit(start, {.pull = 0.25, .anchor = anchor, .shift = shift, .program = [](Step& step) {
                             step.apply(2 * step.gradient(step.params()));
                           }});
  const at::Tensor expected = -0.5 * (2 * g + 0.25 * (start - anchor) + shift + 0.3 * start);
  EXPECT_LT(distance(fit.delta.dense(), expected), 1e-6);
  EXPECT_EQ(column(&ClientFigures::steps, fit), std::vector<std::int64_t>(6, 1));
  EXPECT_GT(g.abs().max().item<double>(), 0);
}

// Half of four steps are the same two steps as all of two, and the second of them changes the parameters.
TEST(AgentsTrainer, DoesAShareOfTheWork) {
  const Federation parts = federation(agents);
  const auto trainer = parts.task->trainer();
  std::vector<Participation> whole = all_clients(), half = all_clients();
  for (Participation& p : half) p.fraction = 0.5;
  const at::Tensor start = parts.task->initial_parameters({});
  trainer->open(half, local_settings(4));
  const LocalResult partial = trainer->fit(start, {});
  EXPECT_EQ(column(&ClientFigures::steps, partial), std::vector<std::int64_t>(6, 2));
  const at::Tensor after = partial.delta.dense().clone();
  trainer->open(whole, local_settings(2));
  EXPECT_TRUE(at::equal(trainer->fit(start, {}).delta.dense(), after));
  trainer->open(whole, local_settings(1));
  EXPECT_FALSE(at::equal(trainer->fit(start, {}).delta.dense(), after));
}

TEST(AgentsTrainer, GivesTheSameBitsAloneOrStacked) {
  const Federation parts = federation(agents);
  const auto trainer = parts.task->trainer();
  const std::vector<Participation> block = all_clients();
  LocalSettings stacked = local_settings(2);
  stacked.form = BlockForm::stacked;
  const at::Tensor start = parts.task->initial_parameters({});
  trainer->open(block, stacked);
  const LocalResult together = trainer->fit(start, {});
  const at::Tensor rows = together.delta.dense().clone();
  for (std::size_t k = 0; k < block.size(); ++k) {
    trainer->open(std::span(block).subspan(k, 1), local_settings(2));
    const LocalResult alone = trainer->fit(start, {});
    EXPECT_TRUE(at::equal(alone.delta.dense()[0], rows[k]));
    EXPECT_EQ(alone.figures[0].loss, together.figures[k].loss);
    EXPECT_EQ(alone.figures[0].figures, together.figures[k].figures);
    EXPECT_EQ(alone.figures[0].examples, together.figures[k].examples);
  }
}

// With a rate of 0 the policy of both steps is the initial one, so all usable replies can be scored here again.
TEST(AgentsTrainer, MeasuresTheEntropyOfItsPolicy) {
  const Federation parts = federation("objective = \"accepted_replies\"\n" + agents);
  const AgentsTask& task = task_of(parts);
  EXPECT_EQ(task.figures(), std::vector<std::string>{"entropy"});
  const std::vector<Participation> block = all_clients();
  LocalSettings local = local_settings(2);
  local.rate = 0;
  const auto trainer = task.trainer();
  trainer->open(block, local);
  const LocalResult fit = trainer->fit(task.initial(), {});
  const auto worker = task.policy().rollout_worker();
  for (std::size_t k = 0; k < block.size(); ++k) {
    worker->load(task.initial());
    double entropy = 0, tokens = 0;
    for (std::int64_t step = 0; step < 2; ++step) {
      std::vector<Session> sessions = task.sessions(block[k], step);
      for (const SessionLog& log : hold_sessions(*worker, sessions, task.settings().behaviour, task.judge(), 1)) {
        for (const JudgedReply& reply : log.replies) {
          if (!task.objective().takes(reply.signals)) continue;
          const std::vector<Exchange> scored{{reply.prompt, reply.reply.tokens, reply.temperature}};
          const at::Tensor log_p = worker->log_probs(scored);
          entropy -= (log_p.exp() * log_p).sum().item<double>();
          tokens += static_cast<double>(log_p.size(0));
        }
      }
    }
    ASSERT_EQ(fit.figures[k].figures.size(), 1);
    EXPECT_GT(entropy, 0);
    EXPECT_NEAR(fit.figures[k].figures[0], entropy / tokens, 1e-12);
  }
  // The gradient is that of the first step alone.
  trainer->open(block, local_settings(1));
  const std::vector<double> of_fit = trainer->fit(task.initial(), {}).figures[0].figures;
  EXPECT_EQ(trainer->gradient(task.initial()).figures[0].figures, of_fit);
  EXPECT_NE(of_fit, fit.figures[0].figures);
}

// A client counts the replies that its objective takes, never more than the work that it declares.
TEST(AgentsTrainer, CountsUsableReplies) {
  for (const char* objective : {"binary_rl", "combined", "opd_token", "accepted_replies"}) {
    const Federation parts = federation(fmt::format("objective = \"{}\"\n{}", objective, agents));
    const AgentsTask& task = task_of(parts);
    const auto trainer = parts.task->trainer();
    const std::vector<Participation> block = all_clients();
    trainer->open(block, local_settings(1));
    const LocalResult fit = trainer->fit(task.initial(), {});
    const auto worker = task.policy().rollout_worker();
    for (std::size_t k = 0; k < block.size(); ++k) {
      std::vector<Session> sessions = task.sessions(block[k], 0);
      worker->load(task.initial());
      std::int64_t usable = 0, all = 0, last = 0;
      for (const SessionLog& log : hold_sessions(*worker, sessions, task.settings().behaviour, task.judge(), 1)) {
        all += std::ssize(log.replies);
        ++last;  // nothing follows the last turn of a session, so it has no verdict
        for (const JudgedReply& reply : log.replies) usable += task.objective().takes(reply.signals) ? 1 : 0;
      }
      EXPECT_EQ(fit.figures[k].examples, usable) << objective;
      EXPECT_LE(all, task.work(block[k].client).examples);
      EXPECT_LE(usable, all - last) << objective;
      if (std::string(objective) == "binary_rl") {
        EXPECT_EQ(usable, all - last);
      }
      EXPECT_EQ(fit.figures[k].rejected_examples, 0);
    }
  }
}

AgentsTask with_judge(double vote) {
  Settings settings = Settings::parse("users = 6\nsessions = 3\ntool_success = 1\n", "test.toml");
  Settings nothing;
  return {settings, find_part<Policy>("policy", "linear").make(nothing),
          find_part<Objective>("objective", "binary_rl").make(nothing), std::make_unique<Voter>(vote), 1};
}

// The judge votes NaN on every failure: these replies are counted, and the others are still trained on.
TEST(AgentsTrainer, RejectsWhatIsMalformed) {
  const AgentsTask good = with_judge(-1), bad = with_judge(std::nan(""));
  const std::vector<Participation> block = all_clients();
  const auto trainer = bad.trainer(), reference = good.trainer();
  trainer->open(block, local_settings(1));
  reference->open(block, local_settings(1));
  const LocalResult fit = trainer->fit(bad.initial(), {}), all = reference->fit(good.initial(), {});
  EXPECT_TRUE(at::isfinite(fit.delta.dense()).all().item<bool>());
  EXPECT_GT(fit.delta.dense().abs().max().item<double>(), 0);
  for (std::size_t k = 0; k < block.size(); ++k) {
    EXPECT_GT(fit.figures[k].rejected_examples, 0);
    EXPECT_EQ(fit.figures[k].examples + fit.figures[k].rejected_examples, all.figures[k].examples);
    EXPECT_TRUE(std::isfinite(fit.figures[k].loss));
  }
}

// The likelihood of accepted replies; it does not take the others, or takes them and has NaN as their loss.
class Fragile final : public Objective {
 public:
  explicit Fragile(bool takes_all) : takes_all_(takes_all) {}
  bool takes(const Signals& signals) const override { return takes_all_ || signals.reward > 0; }
  double loss(const Sample& sample, RowView<double> gradient) const override {
    if (sample.signals.reward <= 0) return std::nan("");
    double loss = 0;
    for (std::size_t i = 0; i < sample.positions.size(); ++i) {
      const Position& p = sample.positions[i];
      loss -= p.current[p.token] / sample.length();
      gradient.at(i)[p.token] -= 1 / sample.length();
    }
    return loss;
  }

 private:
  bool takes_all_;
};

class TakesNone final : public Objective {
 public:
  bool takes(const Signals&) const override { return false; }
  double loss(const Sample&, RowView<double> gradient) const override { return gradient.at(0)[0] = 1; }
};

TEST(AgentsTrainer, HasNoEntropyWithoutUsableReplies) {
  Settings settings = Settings::parse("users = 6\nsessions = 3\n", "test.toml");
  Settings nothing;
  const AgentsTask task(settings, find_part<Policy>("policy", "linear").make(nothing), std::make_unique<TakesNone>(),
                        std::make_unique<Voter>(1), 1);
  const std::vector<Participation> block = all_clients();
  const auto trainer = task.trainer();
  trainer->open(block, local_settings(2));
  for (const ClientFigures& client : trainer->fit(task.initial(), {}).figures) {
    EXPECT_EQ(client.examples, 0);
    EXPECT_TRUE(std::isnan(client.figures.at(0)));
  }
}

// A reply whose loss is NaN is counted, and the mean is taken over the others.
TEST(AgentsTrainer, LeavesOutLossesThatAreNotFinite) {
  const auto fit = [](bool takes_all) {
    Settings settings = Settings::parse("users = 6\nsessions = 3\n", "test.toml");
    Settings nothing;
    const AgentsTask task(settings, find_part<Policy>("policy", "linear").make(nothing),
                          std::make_unique<Fragile>(takes_all), std::make_unique<Voter>(-1), 1);
    const std::vector<Participation> block = all_clients();
    const auto trainer = task.trainer();
    trainer->open(block, local_settings(1));
    LocalResult result = trainer->fit(task.initial(), {});
    result.delta = Rows(result.delta.dense().clone());
    return result;
  };
  const LocalResult with = fit(true), without = fit(false);
  EXPECT_LT(distance(with.delta.dense(), without.delta.dense()), 1e-6);
  EXPECT_GT(without.delta.dense().abs().max().item<double>(), 0);
  EXPECT_EQ(column(&ClientFigures::examples, with), column(&ClientFigures::examples, without));
  for (std::size_t k = 0; k < with.figures.size(); ++k) {
    EXPECT_NEAR(with.figures[k].loss, without.figures[k].loss, 1e-12);
    EXPECT_GE(with.figures[k].rejected_examples, 3);  // the last turn of each session, at least
    EXPECT_EQ(without.figures[k].rejected_examples, 0);
  }
}

TEST(AgentsTask, EvaluatesRulesAndAnswersOfHeldOutUsers) {
  const Federation parts = federation(agents);
  const auto trainer = parts.task->trainer();
  const AgentsTask& task = task_of(parts);
  EXPECT_EQ(task.chunks("test"), 2);
  EXPECT_EQ(task.chunks("train"), 1);
  EXPECT_EQ(task.chunks("validation"), 0);
  EXPECT_EQ(task.chunks("unknown"), 0);
  const Evaluation first = trainer->evaluate(task.initial(), {"test", 0});
  const Evaluation second = trainer->evaluate(task.initial(), {"test", 1});
  EXPECT_EQ(first.examples, AgentsTask::users_per_chunk);
  EXPECT_EQ(second.examples, 100 - AgentsTask::users_per_chunk);
  EXPECT_EQ(trainer->evaluate(task.initial(), {"train", 0}).examples, 12);
  EXPECT_EQ(trainer->evaluate_own(task.initial(), ClientId{2}, "test").examples, 16);

  // Fillers alone: no marks, no warm token, the maximum length and no number.
  at::Tensor mute = task.initial().clone();
  at::Tensor topics = mute.narrow(0, 0, talk::topics * talk::vocabulary).view({talk::topics, talk::vocabulary});
  topics.fill_(-30);
  topics.narrow(1, talk::filler_tokens.first, talk::filler_tokens.size).fill_(30);
  std::int64_t plain_or_long = 0;
  for (int i = 0; i < AgentsTask::users_per_chunk; ++i) {
    const Rule rule = task.user(12 + i).rules[0];
    plain_or_long += rule == Rule::plain || rule == Rule::longer ? 1 : 0;
  }
  const Evaluation spoken = trainer->evaluate(mute, {"test", 0});
  EXPECT_EQ(spoken.correct, plain_or_long);
  EXPECT_EQ(spoken.mean_loss(), 1);
}

TEST(AgentsTask, RefusesBadSettings) {
  const auto expect_error = [](const std::string& toml, const std::string& part) {
    try {
      federation(toml);
      ADD_FAILURE() << toml;
    } catch (const UserError& error) {
      EXPECT_THAT(error.what(), HasSubstr(part)) << toml;
    }
  };
  for (const char* line : {"users = 0", "sessions = 0", "conflicts = 1.5", "two_rules = -1", "concentration = 0",
                           "temperature = 0", "teacher = \"none\"", "tool_turns = 0", "no_such_key = 1"}) {
    expect_error(fmt::format("[task]\nname = \"agents\"\n{}\n", line), std::string(line).substr(0, 5));
  }
  expect_error(agents + "[local]\nbatch = 5\n", "batch");
  expect_error(agents + "[policy]\nname = \"linaer\"\n", "linear");
  expect_error(agents + "[policy]\nno_such_key = 1\n", "no_such_key");
  expect_error(agents + "[objective]\nname = \"grpo\"\n", "several replies");
  expect_error(agents + "[evaluate]\non = \"validation\"\n", "examples");
}

}  // namespace
}  // namespace shoal
