// Does what only one task's trainers measure of each client reach every rank and the record, with and without a server?
#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cmath>

#include "tests/sim/gossip/gossips.hpp"
#include "tests/sim/round/rounds.hpp"

namespace shoal {
namespace {

using namespace shoal::test;

const std::string agents =
    "task = {name = \"agents\", users = 12, sessions = 2, test_users = 64}\nlocal = {rate = 1, steps = 2, block = 2}\n";

// The figures of a participation that starts from these parameters, trained here once more.
std::vector<double> again(const Task& task, const LocalSettings& local, const Participation& who,
                          const at::Tensor& start) {
  const std::unique_ptr<Trainer> trainer = task.trainer();
  trainer->open(std::span(&who, 1), local);
  return trainer->fit(start, {}).figures[0].figures;
}

// `federation` gives the task and its settings.
void expect_figures(const RoundRecord& record, const Federation& federation, const at::Tensor& start) {
  EXPECT_EQ(record.figures, std::vector<std::string>{"entropy"});
  double sum = 0;
  std::int64_t committed = 0;
  for (const ClientRow& row : record.clients) {
    if (!row.committed) continue;
    EXPECT_TRUE(row.figures.accepted);
    EXPECT_EQ(row.figures.figures,
              again(*federation.task, federation.local->at(record.round), row.participation, start));
    sum += row.figures.figures.at(0);
    ++committed;
  }
  EXPECT_GT(committed, 1);
  EXPECT_EQ(record.measures.at("train_entropy"), sum / committed);
}

TEST(Figures, OfAFederation) {
  const Federation parts = federation(agents + "planner = {name = \"uniform\", cohort = 7, dropout = 0.2}\n");
  const Played one = play(parts, 3);
  expect_figures(one.records[0], parts, parts.task->initial_parameters({}));
  expect_figures(one.records[2], parts, one.params[1]);
  const Table figures = round_rows(one.records[2]).figures;
  ASSERT_EQ(figures.rows(), std::ssize(one.records[2].clients));
  for (std::int64_t row = 0; row < figures.rows(); ++row) {
    EXPECT_EQ(std::isnan(figures.real(row, 0)), !one.records[2].clients[static_cast<std::size_t>(row)].committed);
  }
  for (const Hands hands : {Hands{2, 1}, Hands{3, 2}, Hands{5, 1}}) EXPECT_EQ(play(parts, 3, hands).bits, one.bits);
}

TEST(Figures, OfClientsTrainedAhead) {
  const Federation parts = federation(
      agents +
      "planner = {name = \"fed_buff\", concurrency = 6, buffer = 2, dropout = 0.2}\npopulation.speed_sigma = 1\n");
  const Played one = play(parts, 8);
  for (const RoundRecord& record : one.records) EXPECT_TRUE(record.measures.contains("train_entropy"));
  for (const Hands hands : {Hands{1, 2}, Hands{3, 2}}) EXPECT_EQ(play(parts, 8, hands).bits, one.bits);
}

TEST(Figures, OfNodesWithoutAServer) {
  const std::string toml = agents + "topology = \"ring\"\n";
  const Gossiped one = gossiped(toml, 2);
  const Federation parts = federation(agents);
  expect_figures(one.records[0], parts, parts.task->initial_parameters({}));
  EXPECT_NE(one.records[1].measures.at("train_entropy"), one.records[0].measures.at("train_entropy"));
  for (const Hands hands : {Hands{2, 1}, Hands{3, 2}}) EXPECT_EQ(gossiped(toml, 2, hands).bits, one.bits);
}

TEST(Figures, OtherTasksHaveNone) {
  const Federation parts = federation("task = {name = \"quadratic\", clients = 12, dimension = 3}\n");
  EXPECT_TRUE(parts.task->figures().empty());
  const RoundRecord record = play(parts, 1).records[0];
  EXPECT_TRUE(record.measures.empty());
  for (const ClientRow& row : record.clients) EXPECT_EQ(row.figures.figures.capacity(), 0);
  EXPECT_TRUE(round_rows(record).figures.columns.empty());
}

}  // namespace
}  // namespace shoal
