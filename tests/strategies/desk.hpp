#pragma once
// Plans without training: a desk keeps what the engine would keep, so that traces can be computed by hand.

#include <gtest/gtest.h>

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "experiments/tasks/shared/population.hpp"
#include "sim/round/planner.hpp"
#include "sim/task/quadratic.hpp"

namespace shoal::test {

/// Client c has `examples[c]` examples and takes examples[c] milliseconds (with batches of 1, free transfers, 1
/// GFLOP/s).
class TimedTask final : public Task {
 public:
  explicit TimedTask(std::vector<std::int64_t> examples) : examples_(std::move(examples)), inner_(Settings(), 1) {}
  const ParameterLayout& layout() const override { return inner_.layout(); }
  std::int64_t clients() const override { return std::ssize(examples_); }
  at::Tensor initial_parameters(RandomKey key) const override { return inner_.initial_parameters(key); }
  ClientWork work(ClientId client) const override {
    return {.examples = examples_[value(client)], .flops_per_example = 1e6};
  }
  std::unique_ptr<Trainer> trainer() const override { return inner_.trainer(); }
  std::int64_t chunks(Split split) const override { return inner_.chunks(split); }

 private:
  std::vector<std::int64_t> examples_;
  Quadratic inner_;
};

inline std::shared_ptr<const Task> equal_clients(std::int64_t count) {
  return std::make_shared<TimedTask>(std::vector<std::int64_t>(count, 1));
}

class Desk {
 public:
  Desk(const std::string& name, const std::string& toml, std::shared_ptr<const Task> task,
       const std::string& population = "")
      : task_(std::move(task)),
        population_(make_population(Settings::parse(population, "test.toml"), 1, task_->clients())) {
    Settings settings = Settings::parse(toml, "test.toml");
    planner_ = find_part<Planner>("planner", name).make(settings);
    settings.finish();
    planner_->check(*task_, population_);
    local.batch = 1;
  }

  RoundPlan next() {
    World world{*task_, population_, local, 1, ++round_, now_, Version{version_}, 0, 0, in_flight_, feedback_};
    std::vector<Probe> probes;
    for (const ClientId client : next_probes(*planner_, state_, world))
      probes.push_back({client, loss(client, round_)});
    world.probes = probes;
    const RoundPlan plan = next_plan(*planner_, state_, world);
    EXPECT_GE(value(plan.time), value(now_));
    started = now_;
    now_ = plan.time;
    for (const Participation& p : plan.starts) {
      for (const auto& [id, other] : in_flight_) twice_in_flight_ += other.client == p.client && ends_after(other, p);
      EXPECT_TRUE(in_flight_.emplace(p.id, p).second);
      EXPECT_GT(task_->work(p.client).examples, 0);
    }
    committed.clear();
    feedback_.clear();
    for (const Commit& commit : plan.commits) {
      committed.push_back(in_flight_.at(commit.id));
      EXPECT_EQ(committed.back().outcome, Outcome::completes);
      EXPECT_LE(value(committed.back().finish), value(plan.time));
      feedback_.push_back(
          {.id = commit.id, .client = committed.back().client, .loss = loss(committed.back().client, round_)});
      EXPECT_EQ(in_flight_.erase(commit.id), 1U);
    }
    lost.clear();
    for (const ParticipationId id : plan.losses) {
      lost.push_back(in_flight_.at(id));
      EXPECT_EQ(in_flight_.erase(id), 1U);
    }
    version_before = version_;
    if (plan.verdict == Verdict::commit) ++version_;
    return plan;
  }
  double mean_staleness(int skipped, int steps) {
    for (int i = 0; i < skipped; ++i) next();
    double sum = 0, count = 0;
    for (int i = 0; i < steps; ++i) {
      next();
      for (const Participation& p : committed) sum += version_before - value(p.version);
      count += committed.size();
    }
    return sum / count;
  }

  LocalSettings local;
  /// What a client reports, to a probe or after a commit.
  std::function<double(ClientId, std::int64_t round)> loss = [](ClientId, std::int64_t) { return 1.0; };
  std::vector<Participation> committed, lost;  // of the last step
  Ticks started{};                             // when the last step began
  std::int64_t version_before = 0;
  std::int64_t twice_in_flight() const { return twice_in_flight_; }
  std::size_t in_flight() const { return in_flight_.size(); }
  const Planner& planner() const { return *planner_; }
  const Population& population() const { return population_; }

 private:
  static bool ends_after(const Participation& earlier, const Participation& later) {
    return earlier.outcome == Outcome::completes ? true : earlier.finish > later.start;
  }

  std::shared_ptr<const Task> task_;
  Population population_;
  std::shared_ptr<const Planner> planner_;
  State state_;
  std::map<ParticipationId, Participation> in_flight_;
  std::vector<Feedback> feedback_;
  std::int64_t round_ = 0, version_ = 0, twice_in_flight_ = 0;
  Ticks now_{};
};

/// The clients of the drawing numbered `draw` of five under seed 1, in order: traces by hand follow from these.
inline void expect_draws_of_five() {
  const char* expected[] = {"",      "23014", "01342", "34102", "10234", "21034",
                            "41032", "24301", "12403", "12304", "34120"};
  for (std::uint64_t draw = 1; draw <= 10; ++draw) {
    const KeyedPermutation order(random_key(1, "planner/selection"), draw, 5);
    std::string found;
    for (std::uint64_t i = 0; i < 5; ++i) found += std::to_string(order(i));
    EXPECT_EQ(found, expected[draw]);
  }
}

/// What a hand-computed step says; times in milliseconds.
struct Step {
  std::int64_t time;
  std::vector<std::array<std::int64_t, 4>> starts;       // client, version, start, finish
  std::vector<std::pair<std::int64_t, double>> commits;  // participation, weight
  std::vector<std::int64_t> losses{};                    // participations
};

inline void expect_steps(Desk& desk, const std::vector<Step>& steps) {
  std::int64_t next_id = 0;
  for (std::size_t i = 0; i < steps.size(); ++i) {
    const RoundPlan plan = desk.next();
    EXPECT_EQ(value(plan.time), 1000 * steps[i].time) << "step " << i;
    EXPECT_EQ(plan.verdict, steps[i].commits.empty() ? Verdict::abandoned : Verdict::commit) << "step " << i;
    std::vector<std::array<std::int64_t, 4>> starts;
    for (const Participation& p : plan.starts) {
      EXPECT_EQ(value(p.id), next_id++);
      starts.push_back({value(p.client), value(p.version), value(p.start) / 1000, value(p.finish) / 1000});
    }
    EXPECT_EQ(starts, steps[i].starts) << "step " << i;
    std::vector<std::int64_t> losses;
    for (const ParticipationId id : plan.losses) losses.push_back(value(id));
    EXPECT_EQ(losses, steps[i].losses) << "step " << i;
    ASSERT_EQ(plan.commits.size(), steps[i].commits.size()) << "step " << i;
    for (std::size_t k = 0; k < plan.commits.size(); ++k) {
      EXPECT_EQ(value(plan.commits[k].id), steps[i].commits[k].first) << "step " << i;
      EXPECT_DOUBLE_EQ(plan.commits[k].weight, steps[i].commits[k].second) << "step " << i;
    }
  }
}

}  // namespace shoal::test
