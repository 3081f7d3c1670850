#pragma once
// Plans without training: a desk keeps the state that the engine would keep, so that traces can be computed by hand.

#include <gtest/gtest.h>

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "experiments/tasks/shared/population.hpp"
#include "sim/round/plan_round.hpp"
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
  std::int64_t chunks(std::string_view set) const override { return inner_.chunks(set); }

 private:
  std::vector<std::int64_t> examples_;
  Quadratic inner_;
};

inline std::shared_ptr<const Task> equal_clients(std::int64_t count) {
  return std::make_shared<TimedTask>(std::vector<std::int64_t>(count, 1));
}

/// Messages and updates have no bytes; devices are charged for the work that a test sets.
class Weightless final : public Strategy {
 public:
  explicit Weightless(const LocalSettings& charged) : charged_(charged) {}
  LocalSettings work(const LocalSettings&) const override { return charged_; }
  std::vector<Channel> channels(const ParameterLayout&) const override { return {}; }
  void broadcast(const State&, std::int32_t, Message&) const override {}
  UpdateBlock client_update(const Message&, ClientBlock&) const override { return {}; }
  void server_update(State&, std::span<const Aggregate>, const ServerContext&) const override {}

 private:
  const LocalSettings& charged_;
};

class Desk {
 public:
  Desk(const std::string& name, const std::string& toml, std::shared_ptr<const Task> task,
       const std::string& population = "")
      : parts_(parts(name, toml, std::move(task), population)), state_(parts_, 1, 0) {
    parts_.with_composition([&](const Composition& all) { parts_.planner->check(all); });
    local.batch = 1;
  }
  Desk(const Desk&) = delete;  // its strategy refers to `local`

  RoundPlan next() {
    started = state_.now;
    version_before = value(state_.version);
    std::map<ParticipationId, Participation> before = state_.in_flight;
    const PlannedRound round = plan_round(parts_, state_, [&](const std::vector<ClientId>& clients) {
      std::vector<Probe> probes;
      probes.reserve(clients.size());
      for (const ClientId client : clients) probes.push_back({client, loss(client, state_.round)});
      return probes;
    });
    const RoundPlan& plan = round.plan;
    EXPECT_GE(plan.time, started);
    for (const Participation& p : plan.starts) {
      for (const auto& [id, other] : before) twice_in_flight_ += other.client == p.client && ends_after(other, p);
      EXPECT_TRUE(before.emplace(p.id, p).second);
      EXPECT_GT(parts_.task->work(p.client).examples, 0);
    }
    committed = round.committed;
    state_.feedback.clear();
    for (const Participation& p : committed) {
      EXPECT_EQ(p.outcome, Outcome::completes);
      EXPECT_LE(p.finish, plan.time);
      EXPECT_EQ(before.erase(p.id), 1U);
      state_.feedback.push_back({.id = p.id, .client = p.client, .loss = loss(p.client, state_.round)});
    }
    dropouts.clear();
    for (const ParticipationId id : plan.dropouts) {
      dropouts.push_back(before.at(id));
      before.erase(id);
    }
    end_participations(plan, state_);
    EXPECT_EQ(state_.in_flight.size(), before.size());
    if (plan.verdict == Verdict::commit) state_.version = Version{version_before + 1};
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
  /// The loss that a client reports to a probe or after a commit.
  std::function<double(ClientId, std::int64_t round)> loss = [](ClientId, std::int64_t) { return 1.0; };
  std::vector<Participation> committed, dropouts;  // those of the last step
  Ticks started{};                                 // when the last step began
  std::int64_t version_before = 0;
  std::int64_t twice_in_flight() const { return twice_in_flight_; }
  std::size_t in_flight() const { return state_.in_flight.size(); }
  std::vector<std::string> notes() const { return parts_.notes(); }
  const Population& population() const { return *parts_.population; }

 private:
  static bool ends_after(const Participation& earlier, const Participation& later) {
    return earlier.outcome == Outcome::completes || earlier.finish > later.start;
  }

  Federation parts(const std::string& name, const std::string& toml, std::shared_ptr<const Task> task,
                   const std::string& population) const {
    Settings settings = Settings::parse(toml, "test.toml");
    Settings none;
    Federation parts{
        .task = std::move(task),
        .local = std::make_shared<LocalTraining>(none),
        .strategy = std::make_shared<Weightless>(local),
        .aggregator = find_part<Aggregator>("aggregator", "exact_sum").make(none),
        .planner = find_part<Planner>("planner", name).make(settings),
    };
    settings.finish();
    parts.population = std::make_shared<Population>(
        make_population(Settings::parse(population, "test.toml"), parts.seed, parts.task->clients()));
    return parts;
  }

  Federation parts_;
  FederationState state_;
  std::int64_t twice_in_flight_ = 0;
};

/// Draws 1 to 10 of five clients under seed 1, in order: the traces by hand follow from these.
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

/// One step computed by hand; times in milliseconds.
struct Step {
  std::int64_t time;
  std::vector<std::array<std::int64_t, 4>> starts;       // client, version, start, finish
  std::vector<std::pair<std::int64_t, double>> commits;  // participation, weight
  std::vector<std::int64_t> dropouts{};                  // participations
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
    std::vector<std::int64_t> dropouts;
    for (const ParticipationId id : plan.dropouts) dropouts.push_back(value(id));
    EXPECT_EQ(dropouts, steps[i].dropouts) << "step " << i;
    ASSERT_EQ(plan.commits.size(), steps[i].commits.size()) << "step " << i;
    for (std::size_t k = 0; k < plan.commits.size(); ++k) {
      EXPECT_EQ(value(plan.commits[k].id), steps[i].commits[k].first) << "step " << i;
      EXPECT_DOUBLE_EQ(plan.commits[k].weight, steps[i].commits[k].second) << "step " << i;
    }
  }
}

}  // namespace shoal::test
