// Agents under federated learning: do joint updates equal those on all replies in one place, does every part work with
// agents, and do they learn?

#include <ATen/ATen.h>

#include "sim/agents/agents_task.hpp"
#include "sim/round/personal.hpp"
#include "tests/sim/round/rounds.hpp"

namespace shoal {
namespace {

using namespace shoal::test;

const std::string users =
    "task = {name = \"agents\", users = 30, sessions = 3, test_users = 200, concentration = 0.2, conflicts = 0.2}\n";
const std::string agents = users + "planner = {cohort = 12}\n";

// The replies of all clients of a round in one place.
struct Union {
  at::Tensor gradient;  // [d], float64: gradient of the mean over all replies
  std::int64_t replies = 0;
  std::vector<std::int64_t> of_client;  // number of replies of each client
};

// Without a trainer: holds the sessions of every participation with the policy `params` and computes the gradient on
// one batch of all replies.
Union pool(const Federation& parts, const RoundRecord& record, const at::Tensor& params) {
  const auto& task = dynamic_cast<const AgentsTask&>(*parts.task);
  const auto worker = task.policy().rollout_worker();
  std::vector<JudgedReply> batch;
  Union all;
  for (const ClientRow& row : record.clients) {
    std::vector<Session> sessions = task.sessions(row.participation, 0);
    worker->load(params);
    const std::size_t before = batch.size();
    for (SessionLog& log : hold_sessions(*worker, sessions, task.settings().behaviour, task.judge(), 1)) {
      for (JudgedReply& reply : log.replies) {
        if (task.objective().takes(reply.signals)) batch.push_back(std::move(reply));
      }
    }
    all.of_client.push_back(batch.size() - before);
  }
  at::Tensor gradient = at::empty_like(params);
  Learner learner(task.policy(), task.objective());
  learner.gradient({.current = params, .old = {}, .teacher = task.initial()}, batch, gradient);
  all.gradient = gradient.to(at::kDouble);
  all.replies = std::ssize(batch);
  return all;
}

double relative(const at::Tensor& a, const at::Tensor& reference) {
  const at::Tensor wide = reference.to(at::kDouble);
  return ((a.to(at::kDouble) - wide).norm() / wide.norm()).item<double>();
}

// With g_i the mean gradient over client i's n_i replies, theta - rate sum_i (n_i / N) g_i is a step on the mean over
// all N replies.
TEST(Agents, OneLocalStepIsThePooledStep) {
  for (const char* objective : {"binary_rl", "combined", "opd_token", "hybrid"}) {
    const std::string base = fmt::format("objective = \"{}\"\n{}", objective, agents);
    const Federation average = federation(base + "[local]\nrate = 0.7\n");
    const Federation gradient = federation("strategy = {name = \"fed_sgd\", rate = 0.7}\n" + base);
    const Played played = play(average, 2), sgd = play(gradient, 2);
    at::Tensor params = average.task->initial_parameters({});
    for (std::size_t r = 0; r < 2; ++r) {
      const Union all = pool(average, played.records[r], params);
      EXPECT_EQ(played.records[r].examples, all.replies) << objective;
      for (std::size_t i = 0; i < all.of_client.size(); ++i) {
        EXPECT_EQ(played.records[r].clients[i].figures.examples, all.of_client[i]) << objective;
      }
      EXPECT_LT(relative(played.params[r] - params, -0.7 * all.gradient), 1e-6) << objective << ", round " << r;
      EXPECT_GT(std::ranges::max(all.of_client), std::ranges::min(all.of_client)) << "equal weights test nothing";
      params = played.params[r];
    }
    EXPECT_LT(relative(sgd.params[0], played.params[0]), 1e-6) << objective;
  }
}

// With equal weights the clients do not give the pooled step, so the test above can fail.
TEST(Agents, UniformWeightsAreNotThePooledStep) {
  const Federation parts = federation(agents + "[aggregator]\nweights = \"uniform\"\n[local]\nrate = 0.7\n");
  const Played played = play(parts, 1);
  const Union all = pool(parts, played.records[0], parts.task->initial_parameters({}));
  EXPECT_GT(relative(played.last(), -0.7 * all.gradient), 1e-3);
}

// Adam without bias correction on the pooled gradient; Reddi et al. 2021 (arXiv 2003.00295), algorithm 2, with a tiny
// tau that only keeps the division finite. With a client rate of 1, a client's change is minus its gradient.
TEST(Agents, FedAdamIsAdamOnThePooledGradient) {
  constexpr double beta1 = 0.9, beta2 = 0.98, rate = 0.05, tau = 1e-8;
  const Federation parts = federation(
      fmt::format("strategy = {{name = \"fed_adam\", beta1 = {}, beta2 = {}, rate = {}, tau = {}, initial_v = 0}}\n"
                  "local = {{rate = 1}}\n{}",
                  beta1, beta2, rate, tau, agents));
  const Played played = play(parts, 4);
  at::Tensor x = parts.task->initial_parameters({}).to(at::kDouble), m = at::zeros_like(x), v = at::zeros_like(x);
  for (std::size_t r = 0; r < 4; ++r) {
    const at::Tensor before = r == 0 ? parts.task->initial_parameters({}) : played.params[r - 1];
    const at::Tensor g = pool(parts, played.records[r], before).gradient;
    m = beta1 * m + (1 - beta1) * g;
    v = beta2 * v + (1 - beta2) * g * g;
    x = before.to(at::kDouble) - rate * m / (v.sqrt() + tau);
    // Coordinates whose gradient nearly cancels are left out, because there rounding decides its sign and Adam's step.
    const at::Tensor clear = (g.abs() > 1e-4 * g.abs().max()).to(at::kDouble);
    EXPECT_GT(clear.sum().item<double>(), 20);
    EXPECT_LT(relative(clear * (played.params[r] - before), clear * (x - before)), 1e-5) << "round " << r;
  }
}

class AgentParts : public testing::TestWithParam<std::string> {};

TEST_P(AgentParts, GiveTheSameBitsOnAnyRanks) {
  const Federation parts = federation(GetParam() + users);
  const Played one = play(parts, 4);
  EXPECT_TRUE(at::isfinite(one.last()).all().item<bool>());
  for (const Hands hands : {Hands{1, 2}, Hands{2, 1}, Hands{3, 1}}) {
    EXPECT_EQ(play(parts, 4, hands).bits, one.bits) << hands.ranks << " ranks, " << hands.threads << " threads";
  }
  std::int64_t examples = 0;
  for (const RoundRecord& record : one.records) examples += record.examples;
  EXPECT_GT(examples, 0);
}

INSTANTIATE_TEST_SUITE_P(Parts, AgentParts,
                         testing::Values<std::string>(
                             "strategy = \"fed_avg\"\nplanner = {cohort = 12, dropout = 0.3}\nlocal.steps = 2\n",
                             "strategy = \"scaffold\"\nlocal.steps = 3\nlocal.block = 4\nlocal.form = \"stacked\"\n",
                             "strategy = \"fed_prox\"\nlocal = {steps = 2, momentum = 0.5}\nobjective = \"hybrid\"\n",
                             "strategy = \"fed_sgd\"\njudge = {name = \"confusion\", false_positive = 0.3}\n",
                             "strategy = \"fed_adam\"\nobjective = \"combined\"\n",
                             "strategy = \"ditto\"\nlocal.steps = 2\nevaluate.personal = true\n",
                             "strategy = \"local_only\"\n",
                             "strategy = {name = \"fed_sam\", rho = 0.1}\nlocal.steps = 2\nlocal.block = 3\n",
                             "strategy = {name = \"per_fed_avg\", form = \"hessian_free\"}\nlocal.steps = 2\n",
                             "stages = [{name = \"clip\", bound = 0.05}]\nplanner = {cohort = 12, dropout = 0.3}\n",
                             "stages = [\"adaptive_clip\"]\n", "aggregator = \"median\"\n",
                             "planner = {name = \"fed_buff\", concurrency = 8, buffer = 4, dropout = 0.2}\n",
                             "planner = {name = \"fed_async\", concurrency = 5}\nstrategy = \"fed_async\"\n",
                             "planner = {name = \"power_of_choice\", cohort = 4}\n"));

double rule_rate(const Federation& parts, const at::Tensor& params) {
  Evaluation total;
  const auto trainer = parts.task->trainer();
  for (std::int64_t c = 0; c < parts.task->chunks("test"); ++c) {
    const Evaluation part = trainer->evaluate(params, {"test", c});
    total.examples += part.examples;
    total.correct += part.correct;
  }
  return total.accuracy();
}

// With the same 500 questions before and after and three seeds, the noise of the mean is below 0.02.
TEST(Agents, LearnTheirUsersRules) {
  const auto gain = [](const std::string& more) {
    double sum = 0;
    for (const int seed : {1, 2, 3}) {
      const Federation parts = federation(
          fmt::format("seed = {}\ntask = {{name = \"agents\", users = 100, test_users = 500, concentration = 0.1}}\n"
                      "planner = {{cohort = 25}}\n{}",
                      seed, more));
      const Played played = play(parts, 60);
      sum += rule_rate(parts, played.last()) - rule_rate(parts, parts.task->initial_parameters({}));
    }
    return sum / 3;
  };
  const double taught = gain("local = {rate = 8}\n");
  EXPECT_GT(taught, 0.25);
  EXPECT_EQ(gain("local = {rate = 1e-12}\n"), 0);  // both evaluations draw the same tokens
  // With votes that do not depend on the reply, learning is a random walk.
  EXPECT_LT(gain("local = {rate = 8}\njudge = \"coin\"\n"), taught / 2);
}

// Each client has its own model: after r participations it is the initial model after r calls of local training.
TEST(Agents, LearnAloneWithLocalOnly) {
  const Federation parts =
      federation("strategy = \"local_only\"\nlocal = {rate = 2}\nplanner = {cohort = 30}\n" + users);
  const Played played = play(parts, 3);
  EXPECT_TRUE(at::equal(played.last(), parts.task->initial_parameters({})));
  ASSERT_EQ(played.memory.size(), 30U);
  const auto trainer = parts.task->trainer();
  for (const std::int64_t client : {0, 17}) {
    at::Tensor own = parts.task->initial_parameters({}).clone();
    for (const RoundRecord& record : played.records) {
      for (const ClientRow& row : record.clients) {
        if (value(row.participation.client) != client) continue;
        trainer->open(std::span(&row.participation, 1), parts.local->at(record.round));
        own = own + trainer->fit(own, {}).delta.dense()[0];
      }
    }
    EXPECT_TRUE(at::equal(played.memory.at(ClientId{client})[0], own)) << client;
    EXPECT_GT(own.abs().max().item<double>(), 0);
  }
}

}  // namespace
}  // namespace shoal
