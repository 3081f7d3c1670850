// Do planners choose clients with the promised probabilities, at the cost of the cohort?

#include <cmath>
#include <set>

#include "experiments/tasks/shared/population.hpp"
#include "tests/sim/round/rounds.hpp"
#include "tests/sim/round/scripted.hpp"

namespace shoal {
namespace {

using namespace shoal::test;

// Plans rounds of a task without running them.
class Desk {
 public:
  Desk(const std::string& name, const std::string& toml, std::shared_ptr<const UnequalTask> task,
       std::uint64_t seed = 1)
      : planner_(part<Planner>("planner", name, toml)),
        task_(std::move(task)),
        population_(make_population(Settings(), seed, task_->clients())),
        seed_(seed) {
    planner_->check({.task = *task_, .population = population_, .local = LocalSettings{}});
  }

  RoundPlan plan(std::int64_t round) {
    World world{.task = *task_,
                .population = population_,
                .seed = seed_,
                .round = round,
                .now = now_,
                .version = Version{round - 1},
                .message_bytes = 1000,
                .bytes_up = 500,
                .in_flight = in_flight_};
    RoundPlan plan = planner_->next(state_, world);
    now_ = plan.time;
    return plan;
  }

 private:
  std::shared_ptr<const Planner> planner_;
  std::shared_ptr<const UnequalTask> task_;
  Population population_;
  std::uint64_t seed_;
  std::map<ParticipationId, Participation> in_flight_;
  State state_;
  Ticks now_{};
};

std::shared_ptr<const UnequalTask> population(std::int64_t size) { return std::make_shared<UnequalTask>(size, 1); }

std::vector<std::int64_t> started(const RoundPlan& plan) {
  std::vector<std::int64_t> clients;
  for (const Participation& p : plan.starts) clients.push_back(value(p.client));
  return clients;
}

std::string user_error_of(const std::function<void()>& act) {
  try {
    act();
  } catch (const UserError& error) {
    return error.what();
  }
  return "(none)";
}

// Every start is committed or listed as a dropout, and a round ends with its last participation.
TEST(Planners, KeepTheBooks) {
  for (const char* name : {"uniform", "poisson"}) {
    Desk desk(name, "cohort = 8\ndropout = 0.3", population(30));
    std::int64_t next = 0;
    Ticks now{};
    for (std::int64_t round = 1; round <= 200; ++round) {
      const RoundPlan plan = desk.plan(round);
      std::set<ParticipationId> commits, dropouts(plan.dropouts.begin(), plan.dropouts.end());
      for (const Commit& commit : plan.commits) {
        EXPECT_EQ(commit.weight, 1);
        EXPECT_TRUE(commits.insert(commit.id).second);
      }
      Ticks last = now;
      for (const Participation& p : plan.starts) {
        EXPECT_EQ(value(p.id), next++);
        EXPECT_EQ(p.start, now);
        EXPECT_EQ(value(p.version), round - 1);
        EXPECT_EQ(p.fraction, 1);
        const bool completes = p.outcome == Outcome::completes;
        if (plan.verdict == Verdict::commit) {
          EXPECT_EQ(commits.contains(p.id), completes);
          EXPECT_EQ(dropouts.contains(p.id), !completes);
        }
        EXPECT_GE(p.finish, p.start);
        last = std::max(last, p.finish);
      }
      EXPECT_EQ(commits.size() + dropouts.size(), plan.starts.size()) << name << ", round " << round;
      EXPECT_EQ(plan.time, last);
      now = last;
    }
  }
}

TEST(Planners, RepeatForTheSameSeedOnly) {
  for (const char* name : {"uniform", "poisson"}) {
    const auto all = [&](std::uint64_t seed) {
      Desk desk(name, "cohort = 8\ndropout = 0.3", population(1000), seed);
      std::vector<std::int64_t> trace;
      for (std::int64_t round = 1; round <= 20; ++round) {
        for (const Participation& p : desk.plan(round).starts) {
          trace.insert(trace.end(), {value(p.client), static_cast<std::int64_t>(p.outcome), value(p.finish)});
        }
      }
      return trace;
    };
    EXPECT_EQ(all(7), all(7)) << name;
    EXPECT_NE(all(7), all(8)) << name;
  }
}

TEST(Planners, DropOutWithTheirProbability) {
  for (const char* name : {"uniform", "poisson"}) {
    Desk desk(name, "cohort = 20\ndropout = 0.3", population(40));
    double outcomes[4] = {}, total = 0, passed = 0;
    for (std::int64_t round = 1; round <= 2000; ++round) {
      for (const Participation& p : desk.plan(round).starts) {
        ++outcomes[static_cast<std::size_t>(p.outcome)];
        ++total;
        const std::int64_t lasted = value(p.finish - p.start);
        EXPECT_TRUE(p.outcome != Outcome::dropout_in_download || lasted <= 250);
        EXPECT_TRUE(p.outcome != Outcome::dropout_in_upload || lasted >= 250);
        if (p.outcome != Outcome::completes) passed += lasted;
      }
    }
    // About 40,000 draws: 4.5 deviations.
    const auto expect_share = [&](double count, double share) {
      EXPECT_NEAR(count / total, share, 4.5 * std::sqrt(share * (1 - share) / total)) << name;
    };
    expect_share(outcomes[0], 0.7);
    for (int phase = 1; phase <= 3; ++phase) expect_share(outcomes[phase], 0.1);
    // At a uniform time of the phase: a download of 1000 bytes at 4 per microsecond, next to no training, an upload of
    // 500 bytes at 1 per microsecond.
    const double dropouts = total - outcomes[0];
    EXPECT_NEAR(passed / dropouts, (125 + 250 + 500) / 3.0, 1 + 4.5 * 750 / std::sqrt(12 * dropouts)) << name;
  }
}

TEST(Planners, KeepAllClientsWithoutDropout) {
  for (const char* name : {"uniform", "poisson"}) {
    Desk desk(name, "cohort = 8", population(30));
    for (std::int64_t round = 1; round <= 50; ++round) EXPECT_TRUE(desk.plan(round).dropouts.empty());
  }
}

TEST(Planners, AbandonRoundsBelowTheMinimum) {
  for (const char* name : {"uniform", "poisson"}) {
    Desk desk(name, "cohort = 8\ndropout = 0.4\nminimum = 5", population(30));
    int abandoned = 0;
    for (std::int64_t round = 1; round <= 200; ++round) {
      const RoundPlan plan = desk.plan(round);
      std::int64_t complete = 0;
      for (const Participation& p : plan.starts) complete += p.outcome == Outcome::completes ? 1 : 0;
      EXPECT_EQ(plan.verdict == Verdict::abandoned, complete < 5);
      EXPECT_EQ(std::ssize(plan.commits), complete < 5 ? 0 : complete);
      abandoned += complete < 5 ? 1 : 0;
    }
    EXPECT_GT(abandoned, 20) << name;
    EXPECT_LT(abandoned, 180) << name;
  }
}

// --- Uniform ---------------------------------------------------------------------------------------------------------

TEST(Uniform, StartsACohortWithoutRepetition) {
  Desk desk("uniform", "cohort = 17", population(20));
  for (std::int64_t round = 1; round <= 200; ++round) {
    const std::vector<std::int64_t> clients = started(desk.plan(round));
    EXPECT_EQ(clients.size(), 17U);
    const std::set<std::int64_t> distinct(clients.begin(), clients.end());
    EXPECT_EQ(distinct.size(), 17U);
    EXPECT_GE(*distinct.begin(), 0);
    EXPECT_LT(*distinct.rbegin(), 20);
  }
}

TEST(Uniform, NeverSelectsEmptyClients) {
  const auto task = std::make_shared<UnequalTask>(std::vector<std::int64_t>{0, 3, 0, 1, 0, 0, 9, 2, 0});
  Desk desk("uniform", "cohort = 4", task);
  for (std::int64_t round = 1; round <= 50; ++round) {
    const std::vector<std::int64_t> clients = started(desk.plan(round));
    EXPECT_EQ(std::set<std::int64_t>(clients.begin(), clients.end()), (std::set<std::int64_t>{1, 3, 6, 7}));
  }
}

TEST(Uniform, RefusesImpossibleCohorts) {
  EXPECT_EQ(user_error_of([] { Desk("uniform", "cohort = 21", population(20)); }),
            "test.toml: cohort of 21 clients (the population has 20). Lower 'cohort'.");
  const auto task = std::make_shared<UnequalTask>(std::vector<std::int64_t>{0, 3, 0, 1, 0});
  const std::string error = user_error_of([&] { Desk("uniform", "cohort = 3", task); });
  EXPECT_EQ(error, "test.toml: cohort of 3 clients (of 5 only 2 have examples). Lower 'cohort'.");
}

// Drawing m of n without replacement: each client's number over R rounds has variance R p (1 - p), and the sum of all
// is fixed, so sum (O - E)^2 / (R p (1 - p) n / (n - 1)) is chi-square with n - 1 degrees of freedom.
TEST(Uniform, IncludesEveryClientEquallyOften) {
  struct Case {
    std::vector<std::int64_t> examples;
    int cohort;
    double critical;  // critical value of chi-square, at 10^-5
  };
  const std::vector<Case> cases = {{{1, 1}, 1, 19.51},
                                   {{1, 1, 1}, 1, 23.03},
                                   {{1, 1, 1, 1, 1}, 2, 28.47},
                                   {{1, 0, 1, 1, 1, 0, 1, 1, 1, 1, 0, 1}, 4, 37.33},
                                   {std::vector<std::int64_t>(50, 1), 10, 103.8}};
  for (const Case& c : cases) {
    const double n = std::ssize(c.examples) - std::ranges::count(c.examples, 0);
    constexpr int rounds = 20000;
    Desk desk("uniform", fmt::format("cohort = {}", c.cohort), std::make_shared<UnequalTask>(c.examples));
    std::vector<double> seen(c.examples.size(), 0);
    double together = 0;  // rounds with the first and the last client
    for (std::int64_t round = 1; round <= rounds; ++round) {
      const std::vector<std::int64_t> clients = started(desk.plan(round));
      for (const std::int64_t client : clients) ++seen[client];
      const auto has = [&](std::int64_t client) { return std::ranges::count(clients, client) > 0; };
      together += has(0) && has(c.examples.size() - 1) ? 1 : 0;
    }
    const double p = c.cohort / n, expected = rounds * p;
    double chi_square = 0;
    for (std::size_t i = 0; i < seen.size(); ++i) {
      if (c.examples[i] == 0) {
        EXPECT_EQ(seen[i], 0);
      } else {
        chi_square += (seen[i] - expected) * (seen[i] - expected) / (expected * (1 - p) * n / (n - 1));
      }
    }
    EXPECT_LT(chi_square, c.critical) << c.cohort << " of " << n;
    const double pair = p * (c.cohort - 1) / (n - 1);
    EXPECT_NEAR(together / rounds, pair, 4.5 * std::sqrt(pair * (1 - pair) / rounds) + 1e-12)
        << c.cohort << " of " << n;
  }
}

// --- Poisson ---------------------------------------------------------------------------------------------------------

TEST(Poisson, IncludesEveryClientIndependently) {
  constexpr std::int64_t n = 50;
  constexpr int rounds = 20000;
  constexpr double q = 0.1;
  Desk desk("poisson", "cohort = 5", population(n));
  std::vector<double> seen(n, 0);
  double sizes = 0, squares = 0, neighbours = 0, distant = 0;
  std::vector<double> before(n, 0);
  double again = 0;  // in two consecutive rounds
  for (std::int64_t round = 1; round <= rounds; ++round) {
    const std::vector<std::int64_t> clients = started(desk.plan(round));
    EXPECT_TRUE(std::ranges::is_sorted(clients, std::less_equal<>()) || clients.size() < 2);
    std::vector<double> in(n, 0);
    for (const std::int64_t client : clients) in.at(client) = 1;
    for (std::size_t i = 0; i < n; ++i) {
      seen[i] += in[i];
      again += in[i] * before[i];
      if (i + 1 < n) neighbours += in[i] * in[i + 1];
      if (i + 25 < n) distant += in[i] * in[i + 25];
    }
    before = in;
    sizes += clients.size();
    squares += clients.size() * clients.size();
  }
  // Independent counts: chi-square with 50 degrees of freedom, critical value at 10^-5.
  double chi_square = 0;
  for (const double o : seen) chi_square += (o - rounds * q) * (o - rounds * q) / (rounds * q * (1 - q));
  EXPECT_LT(chi_square, 105.1);
  // Pairs have probability q^2. They overlap, so the tolerance is 1.3 times that of independent pairs.
  const auto expect_pairs = [&](double count, double pairs, const char* what) {
    EXPECT_NEAR(count / (rounds * pairs), q * q, 4.5 * 1.3 * std::sqrt(q * q * (1 - q * q) / (rounds * pairs))) << what;
  };
  expect_pairs(neighbours, n - 1, "neighbours");
  expect_pairs(distant, n - 25, "far apart");
  expect_pairs(again, n, "in the next round");
  // The size is binomial: mean 5, variance 4.5.
  const double mean = sizes / rounds, variance = squares / rounds - mean * mean;
  EXPECT_NEAR(mean, 5, 4.5 * std::sqrt(4.5 / rounds));
  EXPECT_NEAR(variance, 4.5, 4.5 * 4.5 * std::sqrt(2.0 / rounds) * 1.1);
}

TEST(Poisson, NeverSelectsEmptyClients) {
  const auto task = std::make_shared<UnequalTask>(std::vector<std::int64_t>{0, 3, 0, 1, 0, 0, 9, 2, 0});
  Desk desk("poisson", "cohort = 8", task);
  std::set<std::int64_t> seen;
  for (std::int64_t round = 1; round <= 100; ++round) {
    for (const std::int64_t client : started(desk.plan(round))) seen.insert(client);
  }
  EXPECT_EQ(seen, (std::set<std::int64_t>{1, 3, 6, 7}));
}

TEST(Poisson, TakesAllClientsWithProbabilityOne) {
  Desk desk("poisson", "cohort = 6", population(6));
  EXPECT_EQ(started(desk.plan(1)), (std::vector<std::int64_t>{0, 1, 2, 3, 4, 5}));
  EXPECT_EQ(user_error_of([] { Desk("poisson", "cohort = 6.5", population(6)); }),
            "test.toml: expected cohort of 6.5 clients (the population has 6). Lower 'cohort'.");
}

// --- Cost ------------------------------------------------------------------------------------------------------------

// A hundred million clients cost what a hundred do: a planner asks about those that it starts.
TEST(Planners, CostGrowsWithTheCohortOnly) {
  for (const char* name : {"uniform", "poisson"}) {
    for (const std::int64_t size : {std::int64_t{100}, std::int64_t{100'000'000}}) {
      const auto task = population(size);
      Desk desk(name, "cohort = 10", task);
      const std::int64_t before = task->times_asked();
      std::int64_t starts = 0;
      for (std::int64_t round = 1; round <= 20; ++round) starts += std::ssize(desk.plan(round).starts);
      EXPECT_GT(starts, 100);
      EXPECT_LE(task->times_asked() - before, 3 * starts) << name << " of " << size;
    }
  }
}

}  // namespace
}  // namespace shoal
