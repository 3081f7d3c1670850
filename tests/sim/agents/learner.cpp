// From judged replies to a gradient: against finite differences and by hand.

#include "sim/agents/learner.hpp"

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "sim/agents/users/conversation.hpp"

namespace shoal {
namespace {

using namespace talk;

struct Desk {
  std::unique_ptr<Policy> policy = make_part<Policy>("policy", "linear", Settings());
  std::unique_ptr<RolloutWorker> worker = policy->rollout_worker();
  at::Tensor params = random_params(1), gradient = at::zeros({policy->layout().size});

  at::Tensor random_params(std::uint64_t seed) const {
    at::Tensor values = at::zeros({policy->layout().size});
    RandomStream random(random_key(seed, "agents/world"), 0);
    for (std::int64_t i = 0; i < values.size(0); ++i) values[i] = 0.3 * random.normal();
    return values;
  }

  std::vector<JudgedReply> served(int count, double temperature) {
    std::vector<JudgedReply> batch;
    worker->load(params);
    for (int i = 0; i < count; ++i) {
      RandomStream random(random_key(3, "agents/world"), i);
      const User user{.topic = i % topics, .rules = {static_cast<Rule>(i % rules)}};
      const UserBehaviour behaviour;
      const Conversation talk(user, behaviour, random);
      JudgedReply judged{.prompt = talk.prompt(), .temperature = temperature};
      const std::span<const Token> prompt(judged.prompt);
      worker->reply({&prompt, 1}, temperature, {&random, 1}, {&judged.reply, 1});
      judged.signals.reward = i % 2 == 0 ? 1 : -1;
      if (i % 3 == 0) {
        const Token said = token_of(user.rules[0]);
        judged.hinted = {Conversation::hinted(judged.prompt, {&said, 1})};
      }
      batch.push_back(judged);
    }
    return batch;
  }
};

std::unique_ptr<Objective> objective(const std::string& name) {
  return make_part<Objective>("objective", name, Settings());
}

TEST(Linear, RepliesWithTheFrequenciesThatItScores) {
  Desk desk;
  const std::vector<Token> prompt{topic_tokens[2], user_token,       number_tokens[4],
                                  plus_token,      number_tokens[5], agent_token};
  const std::span<const Token> tokens(prompt);
  constexpr int n = 4000;
  std::vector<std::span<const Token>> prompts(n, tokens);
  std::vector<RandomStream> random;
  for (int i = 0; i < n; ++i) random.emplace_back(random_key(1, "agents/world"), i);
  std::vector<Reply> replies(n);
  desk.worker->load(desk.params);
  desk.worker->reply(prompts, 0.7, random, replies);
  std::array<double, vocabulary> first{};
  for (const Reply& r : replies) first[r.tokens[0]] += 1.0 / n;
  const Exchange scored{tokens, replies[0].tokens, 0.7};
  const at::Tensor log_p = desk.worker->log_probs({&scored, 1});
  EXPECT_NEAR(log_p[0].exp().sum().item<double>(), 1, 1e-12);
  for (int v = 0; v < vocabulary; ++v) {
    const double p = std::exp(log_p[0][v].item<double>());
    EXPECT_NEAR(first[v], p, 5 * std::sqrt(p / n) + 1e-3) << text(v);
  }
  EXPECT_EQ(replies[0].log_probs[0], log_p[0][replies[0].tokens[0]].item<double>());
}

TEST(Linear, FollowsRulesInTheContext) {
  Desk desk;
  desk.worker->load(desk.policy->initial_parameters());
  const std::vector<Token> plain{topic_tokens[0], user_token,       number_tokens[4],
                                 plus_token,      number_tokens[5], agent_token};
  const Token rule = token_of(Rule::longer);
  const std::vector<Token> told = Conversation::hinted(plain, {&rule, 1});
  const std::vector<Token> reply{end_token};
  const Exchange without{plain, reply}, with{told, reply};
  const auto p_end = [&](const Exchange& e) {
    return std::exp(desk.worker->log_probs({&e, 1})[0][end_token].item<double>());
  };
  EXPECT_NEAR(p_end(without), 0.149, 0.002);
  EXPECT_LT(p_end(with), 0.012);  // 0.149 e^-3, normalised
}

// The loss of a batch as a function of the parameters, with fixed old policy, teacher and samples.
double loss_at(Desk& desk, const Objective& objective, std::span<const JudgedReply> batch, const at::Tensor& at_params,
               bool kl) {
  Learner learner(*desk.policy, objective);
  at::Tensor unused = at::zeros_like(desk.gradient);
  return learner
      .gradient({.current = at_params, .old = desk.params, .teacher = desk.random_params(2), .kl_to_teacher = kl},
                batch, unused)
      .loss;
}

TEST(Learner, HasTheGradientOfItsLoss) {
  Desk desk;
  const std::vector<JudgedReply> batch = desk.served(12, 0.8);
  // Away from the old policy, so that ratios are not 1, but within their bounds.
  const at::Tensor here = desk.params + 0.02 * desk.random_params(5);
  for (const std::string name : {"binary_rl", "combined", "hybrid", "grpo"}) {
    for (const bool kl : {false, true}) {
      const auto loss = objective(name);
      Learner learner(*desk.policy, *loss);
      learner.gradient({.current = here, .old = desk.params, .teacher = desk.random_params(2), .kl_to_teacher = kl},
                       batch, desk.gradient);
      for (const std::int64_t i :
           {0L + end_token, 0L + bold_token, 64L + end_token, 9L * 64 + bold_token, 9L * 64 + equals_token, 10L * 64}) {
        at::Tensor up = here.clone(), down = here.clone();
        up[i] += 0.01;
        down[i] -= 0.01;
        const double step = up[i].item<double>() - down[i].item<double>();
        const double expected = (loss_at(desk, *loss, batch, up, kl) - loss_at(desk, *loss, batch, down, kl)) / step;
        EXPECT_NEAR(desk.gradient[i].item<double>(), expected, 2e-3 * std::abs(expected) + 2e-5) << name << ' ' << i;
      }
    }
  }
}

TEST(Learner, LeavesOutWhatIsNotFinite) {
  Desk desk;
  std::vector<JudgedReply> batch = desk.served(4, 1);
  const auto loss = objective("binary_rl");
  Learner learner(*desk.policy, *loss);
  const Weights weights{.current = desk.params, .teacher = desk.params};
  learner.gradient(weights, std::span(batch).first(3), desk.gradient);
  const at::Tensor of_three = desk.gradient.clone();
  batch[3].signals.reward = std::numeric_limits<double>::quiet_NaN();
  const BatchMeasures measures = learner.gradient(weights, batch, desk.gradient);
  EXPECT_EQ(measures.rejected, 1);
  EXPECT_TRUE(at::allclose(desk.gradient, of_three * 0.75, 1e-5, 1e-8));
  EXPECT_TRUE(std::isfinite(measures.loss));
}

TEST(Learner, CountsEmptyRepliesWithoutALoss) {
  Desk desk;
  std::vector<JudgedReply> batch = desk.served(2, 1);
  const auto loss = objective("binary_rl");
  Learner learner(*desk.policy, *loss);
  const Weights weights{.current = desk.params, .teacher = desk.params, .measure_kl = true};
  const BatchMeasures two = learner.gradient(weights, batch, desk.gradient);
  const at::Tensor of_two = desk.gradient.clone();
  EXPECT_NEAR(two.kl, 0, 1e-12);  // the teacher is the policy
  batch.push_back({.prompt = batch[0].prompt});
  const BatchMeasures three = learner.gradient(weights, batch, desk.gradient);
  EXPECT_TRUE(at::allclose(desk.gradient, of_two * (2.0 / 3), 1e-5, 1e-8));
  EXPECT_NEAR(three.length, two.length * 2 / 3, 1e-12);
  EXPECT_NEAR(three.entropy, two.entropy, 1e-12);
}

}  // namespace
}  // namespace shoal
