// Do TiFL and Oort, which choose by loss and speed, choose the clients that their papers say? By hand, on five clients.

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "tests/strategies/planners/desk.hpp"

namespace shoal {
namespace {

using namespace shoal::test;

// Clients 0 to 4 take 1, 2, 3, 4 and 8 ms.
std::shared_ptr<const Task> task() { return std::make_shared<TimedTask>(std::vector<std::int64_t>{1, 2, 3, 4, 8}); }

std::vector<std::int64_t> clients(const std::vector<Participation>& participations) {
  std::vector<std::int64_t> all;
  for (const Participation& p : participations) all.push_back(value(p.client));
  return all;
}

TEST(Selection, TiflComparesTiersAtTheNewestModel) {
  // Tiers {0, 1, 2} and {3, 4}. Before every second round two clients of each report their losses: those of the slow
  // tier, 1 and 3, are worse in the mean, but its chosen cohort of one may have either.
  const double losses[] = {1.5, 1.5, 1.5, 1, 3};
  const auto slow_rounds = [&](const std::string& toml) {
    Desk desk("tifl", "cohort = 1\ntiers = 2\ninterval = 2\n" + toml, task());
    desk.loss = [&](ClientId client, std::int64_t) { return losses[value(client)]; };
    double slow = 0;
    for (int round = 0; round < 3000; ++round) slow += value(desk.next().starts.at(0).client) >= 3 ? 1 : 0;
    return slow / 3000;
  };
  const double spread = 4.5 * std::sqrt(2.0 / 9 / 3000);
  // No tier improves: the worse of two gets two thirds.
  EXPECT_NEAR(slow_rounds("probed = 2"), 2.0 / 3, spread);
  // A tier's latest cohort is client 3 (1, better than 1.5) or client 4 (3, worse), one as often as the other.
  EXPECT_LT(slow_rounds("probed = 0"), 2.0 / 3 - spread);

  // A round with a comparison begins when the slowest probe has answered: a forward pass is a third of training, 1/3 to
  // 8/3 ms.
  Desk desk("tifl", "cohort = 1\ntiers = 2\ninterval = 2\nprobed = 2", task());
  const RoundPlan first = desk.next();
  EXPECT_EQ(value(first.starts.at(0).start), 2667);
  const RoundPlan second = desk.next();
  EXPECT_EQ(second.starts.at(0).start, first.time);
}

TEST(Selection, OortExcludesFrequentReporters) {
  // All clients take part in each round until they have reported twice. At most 40 % of five may be excluded: two
  // clients, those with the lowest numbers among equal ones.
  Desk desk("oort", "cohort = 5\nfactor = 1\nblacklist = 2\nblacklist_share = 0.4", task());
  EXPECT_EQ(desk.next().starts.size(), 5U);
  EXPECT_EQ(desk.next().starts.size(), 5U);
  std::vector<std::int64_t> third = clients(desk.next().starts);
  std::ranges::sort(third);
  EXPECT_EQ(third, (std::vector<std::int64_t>{2, 3, 4}));
  // Now clients 2, 3 and 4 have reported three times: 2 and 3 are excluded, and 0 and 1 are back.
  std::vector<std::int64_t> fourth = clients(desk.next().starts);
  std::ranges::sort(fourth);
  EXPECT_EQ(fourth, (std::vector<std::int64_t>{0, 1, 4}));
}

// Five rounds explore clients 2, 0, 3, 1 and 4, one each; the result is the client that the sixth chooses by score. All
// losses are 1, so utilities are 1, 2, 3, 4 and 8, and the rounds collect 3, 1, 4, 2, 8: this falls twice.
std::int64_t sixth(const std::string& toml) {
  expect_draws_of_five();
  Desk desk("oort",
            "cohort = 1\nfactor = 1\nexploration = 1\nexploration_decay = 0.85\nexploration_floor = 0\nwindow = 1\n"
            "preferred = 0.2\ncut_off = 1\n" +
                toml,
            task());
  for (const std::int64_t explored : {2, 0, 3, 1, 4}) EXPECT_EQ(clients(desk.next().starts), std::vector{explored});
  return value(desk.next().starts.at(0).client);
}

// Scores before the penalty: (utility - 0.999) / 7.001 + sqrt(0.1 ln 6 / round of the report), which is
// 0.299, 0.355, 0.709, 0.673 and 1.189.
TEST(Selection, OortPacerAllowsSlowerClients) {
  // 1 ms is preferred: 0.299, 0.355 / 2^3, 0.709 / 3^3, ...
  EXPECT_EQ(sixth("clip = 1\npenalty = 3\npacer_step = 0"), 0);
  // The median, 3 ms, after two steps of 0.15: 0.709 against 0.673 (3/4)^3 and 1.189 (3/8)^3.
  EXPECT_EQ(sixth("clip = 1\npenalty = 3\npacer_step = 0.15"), 2);
  // 8 ms, after two steps of 0.4: no penalty is left.
  EXPECT_EQ(sixth("clip = 1\npenalty = 3\npacer_step = 0.4"), 4);
}

TEST(Selection, OortClipsUtilities) {
  EXPECT_EQ(sixth("clip = 1\npenalty = 0"), 4);
  // Utilities above the median, 3, count as 3: 0.286 and the terms of the rounds, 0.423, 0.244 and 0.189.
  EXPECT_EQ(sixth("clip = 0.5\npenalty = 0"), 2);
}

// With a share of exploration of 1, 0.85, 0.72, ... a cohort of one explores while that is at least a half; a decay of
// 0.8 (0.51 in round 4, 0.41 in round 5) chooses by score in the fifth round already.
TEST(Selection, OortExplorationDecays) {
  Desk desk("oort",
            "cohort = 1\nfactor = 1\nexploration = 1\nexploration_decay = 0.8\nexploration_floor = 0\n"
            "penalty = 0\nclip = 1\ncut_off = 1",
            task());
  for (const std::int64_t explored : {2, 0, 3, 1}) EXPECT_EQ(clients(desk.next().starts), std::vector{explored});
  EXPECT_EQ(clients(desk.next().starts), std::vector<std::int64_t>{3});  // the largest utility of those known
  Desk floor("oort", "cohort = 1\nfactor = 1\nexploration = 1\nexploration_decay = 0.8\nexploration_floor = 0.5",
             task());
  for (const std::int64_t explored : {2, 0, 3, 1, 4}) EXPECT_EQ(clients(floor.next().starts), std::vector{explored});
}

}  // namespace
}  // namespace shoal
