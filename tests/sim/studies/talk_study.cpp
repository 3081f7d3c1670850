// Does the study of talking users learn, are its outcomes consistent, and does it refuse bad settings?

#include "sim/studies/talk_study.hpp"

#include "experiments/tasks/shared/policy.hpp"

#include <ATen/ops/zeros.h>
#include <gtest/gtest.h>

#include <cmath>
#include <map>

namespace {

using namespace shoal;

struct Told {
  std::map<std::string, std::vector<double>> outcomes;
  double metric;
  double one(const std::string& name) const { return outcomes.at(name).at(0); }
};

TalkStudy study(const std::string& toml) {
  const Settings root = Settings::parse(toml, "test.toml");
  return {root.section("task"), root.section("pipeline"), make_policy(root.section("policy")),
          make_part<Objective>("objective", "binary_rl", root.section("objective")),
          make_part<Judge>("judge", "confusion", root.section("judge"))};
}

Told told(const TalkStudy& study, std::int64_t replicate) {
  const std::vector<double> all = study.run(1, replicate);
  Told told{.outcomes = {}, .metric = study.metric(all.data())};
  auto at = all.begin();
  for (const auto& [name, count] : study.outcomes()) {
    EXPECT_LE(count, all.end() - at) << name;
    EXPECT_TRUE(told.outcomes.emplace(name, std::vector(at, at + count)).second) << name;
    at += count;
  }
  EXPECT_EQ(at, all.end());
  return told;
}

TEST(TalkStudy, HasConsistentOutcomes) {
  const Told t = told(study("task = {users = 4, sessions = 20, updates = 6}"), 0);
  EXPECT_EQ(t.outcomes.at("sessions").size(), 4);
  EXPECT_EQ(t.outcomes.at("survival").size(), 21);
  for (const char* name : {"rule_rate", "correctness", "kl", "entropy", "length"}) {
    EXPECT_EQ(t.outcomes.at(name).size(), 17) << name;
    EXPECT_EQ(t.outcomes.at(name)[6], t.outcomes.at(name)[16]) << name;
  }
  EXPECT_EQ(t.one("updates"), 6);
  EXPECT_EQ(t.one("consumed"), 6 * 16);
  EXPECT_EQ(t.outcomes.at("kl")[0], 0);
  EXPECT_GT(t.outcomes.at("kl")[6], 0);
  double tokens = 0, dropped = 0;
  for (const double n : t.outcomes.at("staleness")) tokens += n;
  EXPECT_GT(tokens, 6 * 16);
  for (const auto& [name, values] : t.outcomes) {
    if (name.starts_with("dropped_")) dropped += values[0];
  }
  EXPECT_EQ(t.one("produced"), t.one("consumed") + dropped + t.one("resident"));
}

TEST(TalkStudy, SurvivalIsTheShareNotYetContent) {
  const TalkStudy some = study("task = {sessions = 12}");
  for (int replicate = 0; replicate < 5; ++replicate) {
    const Told t = told(some, replicate);
    const std::vector<double>&sessions = t.outcomes.at("sessions"), &censored = t.outcomes.at("censored");
    EXPECT_NEAR(t.metric, (sessions[0] + sessions[1] + sessions[2]) / 3, 1e-12);
    for (std::size_t s = 0; s <= 12; ++s) {
      double waits = 0;
      for (std::size_t u = 0; u < 3; ++u) waits += s < sessions[u] || censored[u] > 0;
      EXPECT_NEAR(t.outcomes.at("survival")[s], waits / 3, 1e-12);
    }
  }
}

// Replies with `opening` and the right answer with probability p, and with the end token alone otherwise.
class Says final : public Policy {
 public:
  Says(std::vector<Token> opening, double p) : opening_(std::move(opening)), p_(p) { layout_.add("nothing", {1}); }
  const ParameterLayout& layout() const override { return layout_; }
  at::Tensor initial_parameters() const override { return at::zeros({1}); }
  double flops_per_token() const override { return 1; }
  std::unique_ptr<RolloutWorker> rollout_worker() const override { return std::make_unique<Worker>(*this); }

 private:
  struct Worker final : RolloutWorker {
    explicit Worker(const Says& of) : says(of) {}
    void load(const at::Tensor&) override {}
    void reply(std::span<const std::span<const Token>> prompts, double, std::span<RandomStream> random,
               std::span<Reply> replies) override {
      for (std::size_t i = 0; i < prompts.size(); ++i) {
        const auto plus = std::ranges::find(prompts[i], talk::plus_token);
        replies[i] = {};
        if (random[i].uniform() < says.p_) {
          const Token sum = plus[-1] + plus[1] - talk::number_tokens.first;
          replies[i].tokens = says.opening_;
          replies[i].tokens.insert(replies[i].tokens.end(), {talk::equals_token, sum});
        }
        replies[i].tokens.push_back(talk::end_token);
        replies[i].log_probs.assign(replies[i].tokens.size(), -1);
      }
    }
    at::Tensor log_probs(std::span<const Exchange> exchanges) override {
      return at::zeros({positions(exchanges), talk::vocabulary}, at::kDouble);
    }
    void add_gradient(std::span<const Exchange>, const at::Tensor&, at::Tensor&) override {}
    const Says& says;
  };
  std::vector<Token> opening_;
  double p_;
  ParameterLayout layout_;
};

Told told(const std::string& task, std::vector<Token> opening, double p, std::int64_t replicate) {
  const TalkStudy says(Settings::parse(task, "task.toml"), Settings(), std::make_unique<Says>(opening, p),
                       make_part<Objective>("objective", "binary_rl", Settings()),
                       make_part<Judge>("judge", "confusion", Settings()));
  return told(says, replicate);
}

// With constant success probability p = 1 - q the expected number of sessions until three in a row is
// (1 - p^3) / (q p^3): 14 at one half, with variance 1 / (q p^3)^2 - 7 / (q p^3) - p / q^2 = 142.
TEST(TalkStudy, HasGeometricSessionsWithoutLearning) {
  double sessions = 0;
  constexpr int replicates = 400;
  for (int replicate = 0; replicate < replicates; ++replicate) {
    sessions += told("users = 1\nsessions = 2000\nprobes = 0", {}, 0.5, replicate).metric / replicates;
  }
  EXPECT_NEAR(sessions, 14, 4 * std::sqrt(142.0 / replicates));
}

TEST(TalkStudy, LearnsWhatUsersWant) {
  const TalkStudy learns = study("task = {updates = 16, sessions = 400}\nobjective = 'hybrid'");
  double before = 0, after = 0;
  for (int replicate = 0; replicate < 10; ++replicate) {
    const Told t = told(learns, replicate);
    before += t.outcomes.at("rule_rate")[0] / 10;
    after += t.outcomes.at("rule_rate")[16] / 10;
  }
  EXPECT_GT(after, before + 0.2);
}

TEST(TalkStudy, UsersCanHaveTwoRulesOrOpposites) {
  const Told plain = told("users = 1\nsessions = 5", {}, 1, 0);  // plain, right and short
  EXPECT_EQ(plain.one("sessions"), 3);
  EXPECT_EQ(plain.one("censored"), 0);
  EXPECT_EQ(plain.outcomes.at("rule_rate")[0], 1);
  EXPECT_EQ(plain.outcomes.at("correctness")[0], 1);
  EXPECT_EQ(plain.outcomes.at("length")[0], 3);
  const Told two = told("users = 1\nsessions = 5\ntwo_rules = 1", {}, 1, 0);  // plain and longer
  EXPECT_EQ(two.one("sessions"), 5);
  EXPECT_EQ(two.one("censored"), 1);
  EXPECT_EQ(two.outcomes.at("rule_rate")[0], 0);
  const Told conflict = told("users = 2\nsessions = 5\nconflicts = 0.5", {talk::bold_token}, 1, 0);  // plain, bolder
  EXPECT_EQ(conflict.outcomes.at("censored"), (std::vector<double>{1, 0}));
  EXPECT_EQ(conflict.outcomes.at("sessions"), (std::vector<double>{5, 3}));
  EXPECT_EQ(conflict.outcomes.at("rule_rate")[0], 0.5);
}

TEST(TalkStudy, RefusesBadSettings) {
  EXPECT_THROW(study("task = {users = 2}\npipeline = {silent = 3}"), UserError);
  EXPECT_THROW(study("task = {teacher = 'moving'}"), UserError);
  EXPECT_THROW(study("task = {conflicts = 2}"), UserError);
}

}  // namespace
