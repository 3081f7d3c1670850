// Do idle ranks and threads train the clients that will be committed next, without changing a bit?
#include <gtest/gtest.h>

#include <set>

#include "tests/strategies/federations.hpp"

namespace shoal {
namespace {

using namespace shoal::test;

// One step per arrival: one commit for all ranks and threads. SCAFFOLD adds client memory, the stage a channel.
const std::string one_by_one = R"(
task = {name = "quadratic", clients = 30, dimension = 5}
strategy = "scaffold"
planner = {name = "fed_buff", concurrency = 10, buffer = 1, dropout = 0.2}
population.speed_sigma = 1
stages = ["adaptive_clip"]
[local]
steps = 3
rate = 0.1
)";

struct Count {
  int commits = 0, trained_ahead = 0;
};

// How many commits had been trained ahead, as rank 0 sees it.
std::string run_and_count(const std::string& toml, int ranks, int threads, Count& count) {
  std::set<ParticipationId> before;
  return run(federation(toml), 60, ranks, threads,
             [&](const RoundRecord& record, const FederationState& state, Communicator& comm, Trainers&) {
               for (const auto& [id, trained] : state.ahead.trained) {
                 EXPECT_EQ(state.ahead.owner.at(id), comm.rank());
                 EXPECT_TRUE(state.in_flight.contains(id)) << "a participation that has ended is forgotten";
               }
               if (comm.rank() != 0) return;
               for (const ClientRow& row : record.clients) {
                 count.commits += row.committed ? 1 : 0;
                 count.trained_ahead += row.committed && before.contains(row.participation.id) ? 1 : 0;
               }
               before.clear();
               for (const auto& [id, owner] : state.ahead.owner) before.insert(id);
             });
}

TEST(Ahead, ChangesNoBitAndKeepsRanksBusy) {
  Count alone;
  const std::string one = run_and_count(one_by_one, 1, 1, alone);
  EXPECT_EQ(alone.trained_ahead, 0);
  for (const auto& [ranks, threads] : {std::pair{1, 4}, {2, 1}, {2, 2}, {3, 1}, {5, 1}}) {
    Count many;
    EXPECT_EQ(run_and_count(one_by_one, ranks, threads, many), one) << ranks << " ranks, " << threads << " threads";
    EXPECT_EQ(many.commits, alone.commits);
    // A fast client that starts late cannot be foreseen; all others are trained ahead, except those due in this step.
    EXPECT_GT(many.trained_ahead, many.commits * (ranks * threads - 1) / (ranks * threads) / 2);
  }
}

TEST(Ahead, LeavesBlocksOfClientsAlone) {
  Count together;
  run_and_count(one_by_one + "block = 4\n", 2, 2, together);
  EXPECT_EQ(together.trained_ahead, 0);
}

}  // namespace
}  // namespace shoal
