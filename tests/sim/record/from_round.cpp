#include "sim/record/from_round.hpp"

#include <ATen/ops/arange.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>

#include "sim/error.hpp"

namespace shoal {
namespace {

TEST(FromRound, FillsTheRowOfARound) {
  RoundRecord record;
  record.round = 4;
  record.version = Version{3};
  record.time = Ticks{77};
  record.dropouts = 2;
  record.verdict = Verdict::abandoned;
  const RoundRow row = round_rows(record).round;
  EXPECT_EQ(row.round, 4);
  EXPECT_EQ(row.version, 3);
  EXPECT_EQ(row.time_us, 77);
  EXPECT_EQ(row.dropouts, 2);
  EXPECT_EQ(row.verdict, 1);
  EXPECT_TRUE(std::isnan(row.accuracy));
  EXPECT_TRUE(std::isnan(row.personal_accuracy));
  EXPECT_TRUE(std::isnan(row.personal_accuracy_p10));
  EXPECT_TRUE(std::isnan(row.personal_loss));
  record.verdict = Verdict::commit;
  record.measures = {{"accuracy", 0.5}, {"personal_loss", 0.25}};
  EXPECT_EQ(round_rows(record).round.verdict, 0);
  EXPECT_EQ(round_rows(record).round.accuracy, 0.5);
  EXPECT_TRUE(std::isnan(round_rows(record).round.loss));
  EXPECT_EQ(round_rows(record).round.personal_loss, 0.25);
  record.diverged = true;
  EXPECT_EQ(round_rows(record).round.verdict, 2);
}

TEST(FromRound, LeavesLossOutWithoutACommit) {
  RoundRecord record;
  record.round = 4;
  record.clients.resize(2);
  record.clients[0].participation = {.id = ParticipationId{8}, .client = ClientId{5}, .finish = Ticks{9}};
  record.clients[0].committed = record.clients[0].figures.accepted = true;
  record.clients[0].figures.loss = 0.25;
  record.clients[1].participation.outcome = Outcome::dropout_in_upload;
  const auto rows = round_rows(record).participations;
  ASSERT_EQ(rows.size(), 2);
  EXPECT_EQ(rows[0].round, 4);
  EXPECT_EQ(rows[0].participation, 8);
  EXPECT_EQ(rows[0].client, 5);
  EXPECT_EQ(rows[0].finish_us, 9);
  EXPECT_EQ(rows[0].accepted, 1);
  EXPECT_EQ(rows[0].loss, 0.25);
  EXPECT_EQ(rows[1].outcome, 3);
  EXPECT_TRUE(std::isnan(rows[1].loss));
}

TEST(FromRound, MakesColumnsOfFigures) {
  RoundRecord record;
  record.clients.resize(3);
  for (ClientRow& client : record.clients) client.figures.figures = {0.25, 4};
  record.clients[0].committed = record.clients[0].figures.accepted = true;
  record.clients[1].committed = true;         // its update was rejected, but it was trained
  record.clients[2].figures.figures.clear();  // a dropout
  record.figures = {"entropy", "kl"};
  const Table figures = round_rows(record).figures;
  ASSERT_EQ(figures.columns.size(), 2);
  EXPECT_EQ(figures.columns[0].name, "entropy");
  EXPECT_EQ(figures.columns[1].name, "kl");
  ASSERT_EQ(figures.rows(), 3);
  for (std::int64_t row : {0, 1}) {
    EXPECT_EQ(figures.real(row, 0), 0.25);
    EXPECT_EQ(figures.real(row, 1), 4);
  }
  EXPECT_TRUE(std::isnan(figures.real(2, 0)) && std::isnan(figures.real(2, 1)));
  EXPECT_TRUE(round_rows(RoundRecord{}).figures.columns.empty());
  record.figures = {"entropy", "steps"};
  EXPECT_THROW(round_rows(record), BrokenInvariant);  // every participation table has steps
}

TEST(FromRound, MeansAreOfClientsWithTheFigure) {
  RoundRecord record;
  record.clients.resize(5);
  const double values[] = {1, 100, 3, not_measured, 8};
  for (std::size_t i = 0; i < 5; ++i) {
    record.clients[i].committed = true;
    record.clients[i].figures.accepted = i != 1;
    record.clients[i].figures.figures = {values[i], not_measured};
  }
  record.clients.emplace_back();  // a dropout has none
  add_figures(record, {"entropy", "kl"});
  EXPECT_EQ(record.figures, (std::vector<std::string>{"entropy", "kl"}));
  EXPECT_EQ(record.measures, (Measures{{"train_entropy", 4}}));
  RoundRecord other;
  add_figures(other, {});
  EXPECT_TRUE(other.measures.empty() && other.figures.empty());
}

TEST(FromRound, ThinsOutParticipations) {
  RoundRows rows;
  rows.figures.columns = {{"entropy"}, {"kl"}};
  for (std::int64_t p = 0; p < 10'000; ++p) {
    rows.participations.push_back({.round = 1, .participation = p, .client = p / 3});
    for (const std::int64_t figure : {p, -p}) rows.figures.values.push_back(figure);
  }
  const RandomKey key = random_key(7, "record/participations");
  RoundRows kept = rows;
  thin_out(kept, 0.25, key);
  const double count = std::ssize(kept.participations);
  EXPECT_NEAR(count, 2500, 5 * std::sqrt(10'000 * 0.25 * 0.75));
  ASSERT_EQ(kept.figures.rows(), std::ssize(kept.participations));
  for (std::size_t r = 0; r < kept.participations.size(); ++r) {  // each with its own figures, in order
    EXPECT_EQ(kept.figures.integer(r, 0), kept.participations[r].participation);
    EXPECT_EQ(kept.figures.integer(r, 1), -kept.participations[r].participation);
  }
  EXPECT_TRUE(std::ranges::is_sorted(kept.participations, {}, &ParticipationRow::participation));
  // A participation stays or goes whatever is beside it.
  RoundRows half = rows;
  half.participations.resize(5000);
  half.figures.values.resize(10'000);
  thin_out(half, 0.25, key);
  for (std::size_t r = 0; r < half.participations.size(); ++r) {
    EXPECT_EQ(half.participations[r].participation, kept.participations[r].participation);
  }
  thin_out(kept, 0, key);
  EXPECT_TRUE(kept.participations.empty() && kept.figures.values.empty());
  thin_out(rows, 1, key);
  EXPECT_EQ(rows.participations.size(), 10'000);
}

TEST(FromRound, CarriesTaskGroupAndVariant) {
  RoundRecord record;
  record.clients.resize(2);
  record.clients[1].participation.task = TaskId{4};
  record.clients[1].participation.group = 5;
  record.clients[1].participation.variant = 6;
  const auto rows = round_rows(record).participations;
  ASSERT_EQ(rows.size(), 2);
  EXPECT_EQ(rows[0].task, 0);
  EXPECT_EQ(rows[0].group, 0);
  EXPECT_EQ(rows[0].variant, 0);
  EXPECT_EQ(rows[1].task, 4);
  EXPECT_EQ(rows[1].group, 5);
  EXPECT_EQ(rows[1].variant, 6);
}

TEST(FromRound, SplitsTheVectorIntoParameters) {
  ParameterLayout layout;
  layout.add("weight", {2, 3});
  layout.add("bias", {3});
  const auto model = model_parameters(layout, at::arange(9, at::kFloat));
  ASSERT_EQ(model.size(), 2);
  EXPECT_EQ(model[1].name, "bias");
  EXPECT_TRUE(is_whole(model[0]) && is_whole(model[1]));
  const float expected[3] = {6, 7, 8};
  EXPECT_EQ(std::memcmp(model[1].values.data(), expected, sizeof expected), 0);
  EXPECT_EQ(model_parameters(layout, at::arange(9, at::kDouble))[0].type, ValueType::float64);
  EXPECT_THROW(model_parameters(layout, at::arange(8, at::kFloat)), BrokenInvariant);
  EXPECT_THROW(model_parameters(layout, at::arange(9, at::kLong)), BrokenInvariant);
}

}  // namespace
}  // namespace shoal
