// Do daily quotas and memory limits exclude clients exactly when they should, on any ranks and after a restart?

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>

#include "sim/record/checkpoint.hpp"
#include "tests/strategies/federations.hpp"
#include "tests/strategies/planners/desk.hpp"

namespace shoal {
namespace {

using namespace shoal::test;
using ::testing::ElementsAre;
using ::testing::UnorderedElementsAre;

constexpr std::int64_t millisecond = 1000;

std::vector<std::int64_t> clients_of(const RoundPlan& plan) {
  std::vector<std::int64_t> clients;
  for (const Participation& p : plan.starts) clients.push_back(value(p.client));
  return clients;
}

// Client c takes c + 1 ms.
std::shared_ptr<const Task> five() { return std::make_shared<TimedTask>(std::vector<std::int64_t>{1, 2, 3, 4, 5}); }

TEST(Quotas, LimitSecondsPerDay) {
  // 5.5 ms a day: client 0 five times, client 1 twice (4 ms, a third time would make 6), the others once.
  Desk desk("uniform", "cohort = 5", five(), "limits = {daily_seconds = 0.0055}");
  RoundPlan plan = desk.next();
  EXPECT_THAT(clients_of(plan), UnorderedElementsAre(0, 1, 2, 3, 4));
  EXPECT_EQ(value(plan.time), 5 * millisecond);
  plan = desk.next();
  EXPECT_THAT(clients_of(plan), UnorderedElementsAre(0, 1));
  EXPECT_EQ(value(plan.time), 7 * millisecond);
  for (const std::int64_t end : {8, 9, 10}) {
    plan = desk.next();
    EXPECT_THAT(clients_of(plan), ElementsAre(0));
    EXPECT_EQ(value(plan.time), end * millisecond);
  }
  // No client is left: the round is abandoned and ends with the day.
  plan = desk.next();
  EXPECT_TRUE(plan.starts.empty());
  EXPECT_EQ(plan.verdict, Verdict::abandoned);
  EXPECT_EQ(plan.time, day);
  EXPECT_THAT(clients_of(desk.next()), UnorderedElementsAre(0, 1, 2, 3, 4));
}

TEST(Quotas, FollowTheClientsLocalDay) {
  Desk desk("uniform", "cohort = 5", five(), "limits = {daily_seconds = 0.0055}\nregions = {zones = [8]}");
  for (int round = 0; round < 6; ++round) desk.next();
  EXPECT_EQ(value(desk.next().starts.front().start), value(day) - 8 * value(hour));
}

TEST(Quotas, LimitJoulesPerDay) {
  // 3 W: client c uses 3 (c + 1) mJ; clients 3 and 4 would use more than 10 mJ in one participation and never start.
  Desk desk("uniform", "cohort = 5", five(), "training_watts = 3\nlimits = {daily_joules = 0.010}");
  EXPECT_THAT(clients_of(desk.next()), UnorderedElementsAre(0, 1, 2));
  EXPECT_THAT(clients_of(desk.next()), ElementsAre(0));
  EXPECT_THAT(clients_of(desk.next()), ElementsAre(0));
  EXPECT_TRUE(desk.next().starts.empty());
}

TEST(Quotas, FailIfNoClientEverFits) {
  Desk desk("uniform", "cohort = 5", five(), "limits = {daily_seconds = 0.0005}");
  EXPECT_THAT(user_error_of([&] { desk.next(); }), testing::HasSubstr("no client is available"));
}

TEST(Quotas, HoldWithinAnAsynchronousStep) {
  // Most clients drop out, so that one step starts clients again and again; each may work 5.5 ms a day.
  Desk desk("fed_buff", "concurrency = 2\nbuffer = 3\ndropout = 0.9", five(), "limits = {daily_seconds = 0.0055}");
  std::map<std::pair<std::int64_t, std::int64_t>, double> worked;  // by day and client, seconds
  std::int64_t starts = 0;
  for (int step = 0; step < 300; ++step) {
    for (const Participation& p : desk.next().starts) {
      double& today = worked[{value(p.start) / value(day), value(p.client)}];
      EXPECT_LE(today + 1e-3 * (value(p.client) + 1), 0.0055 + 1e-9);
      today += seconds(p.finish - p.start);
      ++starts;
    }
  }
  EXPECT_GT(starts, 300);
  EXPECT_GT(worked.rbegin()->first.first, 10);  // days
}

TEST(Quotas, CountShortenedWorkOnly) {
  // With a deadline of 2 ms the clients 1 to 4 work 2 ms in each participation. A client may start if its prediction
  // for its whole work, up to 5 ms, fits into the rest of 7.5 ms.
  Desk desk("deadline", "cohort = 5\ndeadline = 0.002", five(), "limits = {daily_seconds = 0.0075}");
  EXPECT_THAT(clients_of(desk.next()), UnorderedElementsAre(0, 1, 2, 3, 4));
  // They have spent 2 ms: 2, 3, 4 and 5 ms more fit. Had their whole work counted, clients 3 and 4 could not start.
  EXPECT_THAT(clients_of(desk.next()), UnorderedElementsAre(0, 1, 2, 3, 4));
  // They have spent 4 ms: 2 and 3 ms more fit, 4 and 5 do not.
  EXPECT_THAT(clients_of(desk.next()), UnorderedElementsAre(0, 1, 2));
}

TEST(DailyUse, ComesBackFromBytes) {
  DailyUse use;
  use.add(ClientId{7}, Ticks{100}, {1, 2, 3});
  use.add(ClientId{3}, Ticks{200}, {4, 5, 6});
  use.add(ClientId{7}, Ticks{100}, {1, 1, 1});
  DailyUse back(use.bytes());
  EXPECT_EQ(back.bytes(), use.bytes());
  EXPECT_EQ(back.today(ClientId{7}, Ticks{99}).joules, 3);
  EXPECT_EQ(back.today(ClientId{7}, Ticks{100}).joules, 0);  // another day
  EXPECT_EQ(back.today(ClientId{4}, Ticks{0}).bytes, 0);
  back.forget(Ticks{150});
  EXPECT_EQ(back.bytes().size(), use.bytes().size() / 2);
  back.add(ClientId{3}, Ticks{300}, {1, 1, 1});
  EXPECT_EQ(back.today(ClientId{3}, Ticks{250}).seconds, 1);
}

const std::string limited =
    "[task]\nname = \"quadratic\"\nclients = 30\ndimension = 11\n[local]\nsteps = 3\n"
    "[population]\nspeed_sigma = 1\ngflops = 1e-6\nregions = {zones = [-8, 0, 8]}\n"
    "limits = {daily_seconds = 0.05, daily_mbytes = 0.0005}\n[planner]\n";

TEST(Quotas, GiveTheSamePlansAfterARestart) {
  for (const char* planner : {"cohort = 9", "name = \"fed_buff\"\nconcurrency = 8\nbuffer = 3\ndropout = 0.2",
                              "name = \"power_of_choice\"\ncohort = 4\ncandidates = 8"}) {
    const Federation parts = federation(limited + planner);
    std::int64_t abandoned = 0;
    const std::string alone = run(parts, 14, 1, 1, [&](const RoundRecord& record, auto&&...) {
      abandoned += record.verdict == Verdict::abandoned ? 1 : 0;
    });
    EXPECT_GT(abandoned, 0) << planner;  // the quotas bind
    EXPECT_EQ(run(parts, 14, 3), alone) << planner;

    const auto stem = std::filesystem::path(testing::TempDir()) / fmt::format("shoal_quotas_{}", ::getpid());
    const auto play = [&](int ranks, int last, bool resume) {
      std::string hash;
      run_on_threads(ranks, [&](Communicator& comm) {
        FederatedProcess process(parts, FederatedSettings());
        const auto pool = make_thread_pool(1);
        process.start(comm);
        if (resume) {
          ASSERT_TRUE(read_checkpoint(stem.string(), 0, process, comm).journal_length.has_value());
        }
        while (process.round() < last) {
          process.step(comm, *pool);
          if (!resume && process.round() == 3) write_checkpoint(stem.string(), process, 0, comm);
        }
        const FederationState& state = process.state();
        if (comm.rank() == 0) hash = fmt::format("{} {}", digest(state.strategy().params()), value(state.now));
      });
      return hash;
    };
    const std::string straight = play(1, 12, false);
    EXPECT_EQ(play(2, 12, true), straight) << planner;
    for (const auto& entry : std::filesystem::directory_iterator(stem.parent_path())) {
      if (entry.path().filename().string().starts_with(stem.filename().string())) std::filesystem::remove(entry);
    }
  }
}

TEST(Memory, ExcludesClientsWithTooLittle) {
  const std::string tiers = "memory_mbytes = 1000\ndevices = {name = \"tiers\", memory = [4, 2, 1]}\n";
  Desk desk("uniform", "cohort = 300", equal_clients(300), tiers + "limits = {memory_mbytes = 2000}");
  std::map<int, std::int64_t> started, there;
  for (const std::int64_t client : clients_of(desk.next())) ++started[desk.population().device(ClientId{client}).tier];
  for (std::int64_t c = 0; c < 300; ++c) {
    ++there[desk.population().device(ClientId{c}).tier];
    EXPECT_EQ(desk.population().has_memory(ClientId{c}), desk.population().device(ClientId{c}).tier < 2);
    EXPECT_EQ(desk.population().stretch(ClientId{c}, Ticks{5}).on, desk.population().has_memory(ClientId{c}));
  }
  EXPECT_GT(there[2], 0);
  EXPECT_EQ(started[0], there[0]);
  EXPECT_EQ(started[1], there[1]);
  EXPECT_EQ(started.count(2), 0U);
  // A device whose memory is not given has enough.
  EXPECT_TRUE(Desk("uniform", "cohort = 1", equal_clients(3), "limits = {memory_mbytes = 1e6}")
                  .population()
                  .has_memory(ClientId{0}));
}

}  // namespace
}  // namespace shoal
