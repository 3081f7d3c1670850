// Does the judge see what followed a reply, and does the trainer follow its settings?

#include <gtest/gtest.h>

#include "tests/sim/pipeline/fakes.hpp"

namespace {

using namespace shoal;
using namespace shoal::pipeline;

// The log-probabilities of the stamped policy are minus its version, so the teacher's show when it was refreshed.
class Listening final : public Objective {
 public:
  explicit Listening(double loss) : loss_(loss) {}
  bool takes(const Signals& signals) const override { return signals.hints > 0; }
  double loss(const Sample& sample, RowView<double>) const override {
    heard.emplace_back(-sample.positions[0].current[0], -sample.teacher(0, 0)[0]);
    return loss_;
  }
  mutable std::vector<std::pair<double, double>> heard;  // versions of policy and teacher

 private:
  double loss_;
};

TEST(Pipeline, RefreshesTheTeacher) {
  const std::vector<std::pair<std::string, std::int64_t>> teachers{{"frozen", 0}, {"live", 1}, {"refresh:3", 3}};
  for (const auto& [teacher, every] : teachers) {
    Scene scene(std::make_unique<Stamped>(3), fmt::format("rate = 1\nbatch = 4\nteacher = '{}'", teacher), "", 4, 8);
    auto objective = std::make_unique<Listening>(0);
    const auto& heard = objective->heard;
    scene.objective = std::move(objective);
    const Result result = scene.run();
    ASSERT_EQ(result.updates, 8);
    ASSERT_EQ(heard.size(), 32);
    for (std::size_t i = 0; i < heard.size(); ++i) {
      const std::int64_t version = i / 4;
      EXPECT_NEAR(heard[i].first, version, 1e-4);
      EXPECT_NEAR(heard[i].second, every == 0 ? 0 : version / every * every, 1e-4);
    }
    EXPECT_GT(dropped(result, Reason::no_signal), 0);
    EXPECT_EQ(result.training.all_negative, 8);  // hints come with failures
    EXPECT_EQ(result.training.rejected, 0);
    EXPECT_EQ(result.training.alarms, 0);
  }
}

TEST(Pipeline, CountsInvalidLossesAndLargeGradients) {
  Scene scene(std::make_unique<Stamped>(3), "rate = 1\nbatch = 4\n", "gradient_alarm = 0.5", 4, 3);
  scene.objective = std::make_unique<Listening>(std::nan(""));
  const Result result = scene.run();
  EXPECT_EQ(result.training.rejected, 12);
  EXPECT_EQ(result.training.alarms, 3);  // the stamped policy's gradient is 1
}

// Takes what a judge has voted on, and counts it.
class Judged final : public Objective {
 public:
  bool takes(const Signals& signals) const override { return signals.judged; }
  double loss(const Sample& sample, RowView<double>) const override {
    ++(sample.signals.reward == 0 ? ties : votes);
    return 0;
  }
  mutable std::int64_t ties = 0, votes = 0;
};

// A judgement that fails is no vote of 0, and so is none for the last turn of a session: such turns are not trained on.
TEST(Pipeline, TrainsOnVerdictsAlone) {
  for (const double failure : {0.0, 0.3, 0.8}) {
    Scene scene(std::make_unique<Stamped>(3), "rate = 1\nbatch = 4\n", fmt::format("judge_failure = {}", failure), 4,
                6);
    auto objective = std::make_unique<Judged>();
    const Judged& seen = *objective;
    scene.objective = std::move(objective);
    const Result result = scene.run();
    EXPECT_EQ(seen.votes, 24) << failure;
    EXPECT_EQ(seen.ties, 0) << failure;
    EXPECT_GT(dropped(result, Reason::no_signal), 0) << failure;
    EXPECT_EQ(result.judging.failed > 0, failure > 0);
  }
}

// Notes its evidence. Here replies fail twice, then a tool is called, which nothing follows. The rule of the second
// user is broken, so it can be named; the first user only misses the answer.
class Noting final : public Judge {
 public:
  explicit Noting(std::vector<Evidence>& told) : told_(told) {}
  Judgement judge(const Evidence& evidence, RandomStream&) const override {
    told_.push_back(evidence);
    return {.reward = evidence.reward};
  }

 private:
  std::vector<Evidence>& told_;
};

TEST(Pipeline, ShowsJudgesWhatFollowed) {
  std::vector<Evidence> told;
  Scene scene(std::make_unique<Stamped>(3), "most_turns = 2\ntool_turns = 1\nsessions = 30\n", "", 2);
  scene.judge = std::make_unique<Noting>(told);
  scene.run();
  std::map<NextState, int> seen;
  for (const Evidence& e : told) {
    ++seen[e.shows];
    EXPECT_EQ(e.reward, -1);
    EXPECT_EQ(e.directive, e.shows == NextState::corrected);
  }
  EXPECT_EQ(seen.size(), 3);  // the first failure: corrected or repeated; the second: something else follows
  EXPECT_GT(seen[NextState::moved_on], 50);
  EXPECT_EQ(seen[NextState::moved_on], seen[NextState::corrected] + seen[NextState::repeated]);
}

}  // namespace
