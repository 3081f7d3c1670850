// Does gossip give the same bits on any ranks, after a resume, and with nodes that are absent or fail?

#include "sim/gossip/gossip_process.hpp"

#include <gmock/gmock.h>
#include <unistd.h>

#include <cmath>
#include <filesystem>

#include "tests/sim/gossip/gossips.hpp"

namespace shoal {
namespace {

using namespace shoal::test;
using ::testing::HasSubstr;

const std::string digits =
    "rounds = 4\ndata = \"optdigits\"\nmodel = \"logistic_regression\"\n"
    "partition = {name = \"dirichlet\", clients = 8, minimum = 1}\nlocal = {steps = 3, batch = 5, block = 3}\n";
const std::string quadratic =
    "rounds = 4\ntask = {name = \"quadratic\", clients = 8, dimension = 6}\nlocal = {steps = 2, block = 3}\n";

TEST(GossipProcess, HasTheSameBitsOnAnyRanks) {
  for (const std::string& base : {digits, quadratic}) {
    for (const char* topology : {"ring", "complete", "hypercube", "star"}) {
      const std::string toml =
          fmt::format("{}topology = \"{}\"\npopulation = {{dropouts = [0, 0.1]}}\n", base, topology);
      const Gossiped one = gossiped(toml, 4);
      EXPECT_EQ(one.models.size(), 8U);
      for (const Hands hands : {Hands{1, 2}, Hands{2, 1}, Hands{3, 2}, Hands{5, 1}}) {
        EXPECT_EQ(gossiped(toml, 4, hands).bits, one.bits) << topology << " on " << hands.ranks << " ranks";
      }
    }
  }
}

TEST(GossipProcess, TrainsStackedNodesLikeSingleOnes) {
  const std::string base = digits + "topology = \"ring\"\n";
  const auto in_blocks_of = [&](const char* block) {
    std::string toml = base;
    toml.replace(toml.find("block = 3"), 9, fmt::format("block = {}", block));
    return gossiped(toml, 4);
  };
  const Gossiped one = in_blocks_of("1"), all = in_blocks_of("8");
  EXPECT_LT((one.mean - all.mean).abs().max().item<double>(), 1e-5);
  for (const auto& [node, model] : one.models) {
    EXPECT_LT((model - all.models.at(node)).abs().max().item<double>(), 1e-5) << node;
  }
}

TEST(GossipProcess, ContinuesOnOtherRanks) {
  const auto stem = (std::filesystem::path(testing::TempDir()) / fmt::format("shoal_gossip_{}", ::getpid())).string();
  const std::string toml = digits + "topology = \"ring\"\npopulation = {dropouts = [0, 0.1]}\n";
  const Gossiped whole = gossiped(toml, 4);
  gossiped(toml, 2, {2, 1}, {.to = stem});
  for (const int ranks : {1, 3}) {
    const Gossiped rest = gossiped(toml, 4, {ranks, 1}, {.from = stem});
    EXPECT_TRUE(rest.mean.equal(whole.mean));
    ASSERT_EQ(rest.records.size(), 2U);
    EXPECT_EQ(rest.records[1].measures, whole.records[3].measures);
    EXPECT_EQ(rest.records[1].time, whole.records[3].time);
    for (const auto& [node, model] : whole.models) EXPECT_TRUE(model.equal(rest.models.at(node))) << node;
  }
  remove_checkpoints(stem);
}

TEST(GossipProcess, KeepsTheMeanWhileNodesAreAbsent) {
  // The rate is 0 from the second round on. A link to an absent node returns its weight to its other end.
  const std::string toml =
      "rounds = 40\ntopology = \"ring\"\ntask = {name = \"quadratic\", clients = 9, dimension = 5, precision = "
      "\"float64\"}\nlocal = {steps = 1, schedule = \"exponential\", decay = 0}\n"
      "population = {availability = {name = \"bernoulli\", probability = 0.7, period = 1}, gflops = 5e-8}\n";
  const at::Tensor before = gossiped(toml, 1).mean;
  const Gossiped after = gossiped(toml, 40);
  std::int64_t absent = 0;
  for (std::size_t r = 1; r < after.records.size(); ++r) {
    absent += 9 - after.records[r].committed;
    EXPECT_LE(after.records[r].measures.at("consensus_distance"),
              after.records[r - 1].measures.at("consensus_distance") * (1 + 1e-12));
  }
  EXPECT_GT(absent, 9);
  EXPECT_LT((after.mean - before).abs().max().item<double>(), 1e-14);
  EXPECT_LT(after.records.back().measures.at("consensus_distance"),
            after.records.front().measures.at("consensus_distance") / 2);
}

TEST(GossipProcess, LeavesOutANodeThatFails) {
  // The third node's first gradient is not finite, its neighbours mix without it.
  const std::string toml =
      "rounds = 1\ntopology = \"complete\"\nlocal = {steps = 1, rate = 1}\npeer = {name = \"d_psgd\", exchange = "
      "\"after\"}\ntask = {name = \"quadratic\", curvatures = [1, 1, 1e200, 1], optima = [3, 6, 1e200, 9], precision "
      "= \"float64\"}\n";
  const Gossiped result = gossiped(toml, 1);
  const RoundRecord& record = result.records[0];
  EXPECT_EQ(record.committed, 3);
  EXPECT_EQ(record.rejected, 1);
  EXPECT_FALSE(record.diverged);
  EXPECT_FALSE(result.models.contains(2));
  // Nodes 0, 1 and 3 move to 3, 6 and 9. The absent quarter of each mean is the node's own.
  EXPECT_NEAR(result.models.at(0).item<double>(), (3 + 6 + 9 + 3) / 4.0, 1e-12);
  EXPECT_NEAR(result.models.at(1).item<double>(), (3 + 6 + 9 + 6) / 4.0, 1e-12);
  EXPECT_NEAR(result.mean.item<double>(), (3 + 6 + 9 + 0) / 4.0, 1e-12);
}

TEST(GossipProcess, WaitsForTheSlowestNode) {
  // A row has 5 x 8 bytes; a node of the ring sends and receives two. Work: 4 flops x 5 parameters, twice.
  const std::string toml =
      "rounds = 3\ntopology = \"ring\"\ntask = {name = \"quadratic\", clients = 6, dimension = 5, precision = "
      "\"float64\"}\nlocal = {steps = 2}\npopulation = {gflops = 1e-6, down_mbytes = 1e-3, up_mbytes = 5e-4}\n";
  const Gossiped result = gossiped(toml, 3);
  const RoundRecord& record = result.records[2];
  EXPECT_EQ(record.bytes_up, 6 * 2 * 40);
  EXPECT_EQ(record.bytes_down, 6 * 2 * 40);
  EXPECT_EQ(record.clients[4].figures.bytes_up, 80);
  EXPECT_EQ(record.clients[4].bytes_down, 80);
  const double exchange = 80 / 1e3 + 80 / 5e2, training = 4.0 * 5 * 2 / 1e3;
  EXPECT_NEAR(seconds(record.time), 3 * (exchange + training), 1e-5);

  std::string tiers = toml;
  tiers.replace(tiers.find("gflops"), 0, "devices = \"tiers\", ");
  const Gossiped uneven = gossiped(tiers, 1);
  Ticks slowest{};
  for (const ClientRow& row : uneven.records[0].clients) slowest = std::max(slowest, row.participation.finish);
  EXPECT_EQ(uneven.records[0].time, slowest);
  EXPECT_GT(seconds(slowest), 2 * training);  // the slowest tier has a third of the speed
}

TEST(GossipProcess, IsPlannedWithoutAServer) {
  Datasets datasets;
  const auto process = compose(Settings::parse(quadratic + "topology = \"ring\"\n", "test.toml"), datasets);
  EXPECT_EQ(process->federation(), nullptr);
  EXPECT_GT(process->measure(0), 0);
  std::string notes;
  for (const std::string& line : process->notes()) notes += line + "\n";
  EXPECT_THAT(notes, HasSubstr("8 nodes without a server, 6 parameters"));
  EXPECT_THAT(notes, HasSubstr("topology ring: 8 links in the first round, at most 2 a node"));
  EXPECT_THAT(notes, HasSubstr("spectral gap 0.195262"));  // 1 - (1/3 + 2/3 cos 45 degrees)
  EXPECT_THAT(notes, HasSubstr("384 bytes sent"));         // 16 rows of 6 x 4 bytes
}

std::string error_of(const std::string& toml) {
  Datasets datasets;
  try {
    compose(Settings::parse(toml, "test.toml"), datasets);
  } catch (const UserError& error) {
    return error.what();
  }
  return "";
}

TEST(GossipProcess, RefusesWhatDoesNotFit) {
  EXPECT_THAT(error_of("task = {name = \"quadratic\", clients = 12}\ntopology = \"hypercube\"\n"),
              HasSubstr("needs a power of two of nodes, not 12. Set the number of clients to 16."));
  EXPECT_THAT(error_of("task = \"quadratic\"\ntopology = \"ring\"\nstrategy = \"fed_avg\"\n"), HasSubstr("strategy"));
  EXPECT_THAT(error_of("task = \"quadratic\"\npeer = \"d_psgd\"\n"), HasSubstr("peer"));
  EXPECT_THAT(error_of("task = \"quadratic\"\ntopology = \"ring\"\npopulation = {limits = {daily_seconds = 1}}\n"),
              HasSubstr("quotas"));
}

}  // namespace
}  // namespace shoal
