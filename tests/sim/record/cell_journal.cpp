#include "sim/record/cell_journal.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include <array>
#include <cmath>
#include <cstring>
#include <filesystem>

#include "sim/error.hpp"
#include "sim/files/packing.hpp"

namespace shoal {
namespace {

class CellJournalTest : public testing::Test {
 protected:
  ~CellJournalTest() override { std::filesystem::remove(path_); }

  const std::string path_ = testing::TempDir() + "/shoal_cell" + std::to_string(::getpid()) + ".journal";
  const CellHeader header_{.index = 3,
                           .label = "fed_prox, mu = 0.1 µ",
                           .seed = 42,
                           .config = "name = \"x\"\n",
                           .provenance = {{"commit", "abc"}, {"ranks", "4"}}};
};

RoundRow row(std::int64_t round) { return {.round = round, .version = round, .time_us = 10 * round, .loss = 0.5}; }

Table edges(std::int64_t round) {
  Table table{.columns = {{"to", FieldType::integer, "client"}, {"weight", FieldType::real, "share"}}};
  table.add({round - 1, 0.5});
  table.add({round, -1.5});
  return table;
}

ModelParameter parameter(std::string name, std::vector<std::int64_t> shape, ValueType type, std::size_t values) {
  ModelParameter made{std::move(name), std::move(shape), type, std::vector<std::byte>(values * bytes_of(type))};
  for (std::size_t i = 0; i < made.values.size(); ++i) made.values[i] = static_cast<std::byte>(i);
  return made;
}

TEST_F(CellJournalTest, GivesBackAFinishedCell) {
  const std::vector<ModelParameter> model = {parameter("0.weight", {2, 3}, ValueType::float32, 6),
                                             parameter("scale", {}, ValueType::float64, 1),
                                             parameter("empty", {0, 4}, ValueType::float32, 0)};
  {
    CellJournal journal(path_, header_);
    journal.round({.round = row(1),
                   .participations = {{.round = 1, .client = 5}, {.round = 1, .client = 6}},
                   .measures = {{"norm", 0.5}, {"entropy µ", 2}},
                   .tables = {{"edges", edges(1)}}});
    journal.round({.round = row(2), .measures = {{"norm", 0.25}}, .tables = {{"edges", edges(2)}}});
    journal.finish({.status = "finished", .hash = "00ff", .final_accuracy = 0.9, .rounds = 2, .wall_seconds = 1.5},
                   model);
    EXPECT_EQ(journal.length(), std::filesystem::file_size(path_));
  }
  const CellContents cell = read_cell(path_);
  EXPECT_EQ(cell.header.index, 3);
  EXPECT_EQ(cell.header.label, header_.label);
  EXPECT_EQ(cell.header.seed, 42);
  EXPECT_EQ(cell.header.config, header_.config);
  EXPECT_EQ(cell.header.provenance, header_.provenance);
  ASSERT_EQ(cell.rounds.size(), 2);
  EXPECT_EQ(cell.rounds[1].time_us, 20);
  EXPECT_EQ(cell.rounds[1].loss, 0.5);
  EXPECT_TRUE(std::isnan(cell.rounds[1].accuracy));
  ASSERT_EQ(cell.participations.size(), 2);
  EXPECT_EQ(cell.participations[1].client, 6);
  ASSERT_EQ(cell.measures.size(), 3);  // by round, then by name
  EXPECT_EQ(cell.measures[0].name, "entropy µ");
  EXPECT_EQ(cell.measures[1].value, 0.5);
  EXPECT_EQ(cell.measures[2].round, 2);
  EXPECT_EQ(cell.measures[2].value, 0.25);
  const Table& table = cell.tables.at("edges");
  EXPECT_EQ(table.columns, edges(1).columns);
  ASSERT_EQ(table.rows(), 4);
  EXPECT_EQ(table.integer(3, 0), 2);
  EXPECT_EQ(table.real(3, 1), -1.5);
  ASSERT_TRUE(cell.result);
  EXPECT_EQ(cell.result->status, "finished");
  EXPECT_EQ(cell.result->hash, "00ff");
  EXPECT_EQ(cell.result->final_accuracy, 0.9);
  EXPECT_EQ(cell.result->rounds, 2);
  EXPECT_EQ(cell.result->rounds_to_target, -1);
  EXPECT_EQ(cell.result->wall_seconds, 1.5);
  ASSERT_EQ(cell.model.size(), model.size());
  for (std::size_t i = 0; i < model.size(); ++i) {
    EXPECT_EQ(cell.model[i].name, model[i].name);
    EXPECT_EQ(cell.model[i].shape, model[i].shape);
    EXPECT_EQ(cell.model[i].type, model[i].type);
    EXPECT_EQ(cell.model[i].values, model[i].values);
  }
}

TEST_F(CellJournalTest, RefusesTablesWhoseColumnsChange) {
  Table other{.columns = {{"to", FieldType::integer, "client"}}};
  other.add({std::int64_t{1}});
  EXPECT_THROW(other.add({0.5}), BrokenInvariant);
  EXPECT_THROW(other.add({std::int64_t{1}, std::int64_t{2}}), BrokenInvariant);
  CellContents cell;
  add_round(cell, {.round = row(1), .tables = {{"edges", edges(1)}}});
  EXPECT_THROW(add_round(cell, {.round = row(2), .tables = {{"edges", other}}}), UserError);
}

TEST_F(CellJournalTest, GivesRoundsBackOneByOne) {
  {
    CellJournal journal(path_, header_);
    for (std::int64_t round = 1; round <= 3; ++round) {
      journal.round({.round = row(round), .measures = {{"norm", 1.0 / round}}, .tables = {{"edges", edges(round)}}});
    }
  }
  const std::vector<RoundRows> rounds = read_rounds(path_);
  ASSERT_EQ(rounds.size(), 3);
  EXPECT_EQ(rounds[2].round.round, 3);
  EXPECT_EQ(rounds[1].measures.at("norm"), 0.5);
  EXPECT_EQ(rounds[1].tables.at("edges").values, edges(2).values);
}

// A trainer's figures are further columns of the participations.
Table entropies(std::initializer_list<double> values) {
  Table table{.columns = {{"entropy", FieldType::real, "nats"}}};
  for (const double value : values) table.add({value});
  return table;
}

TEST_F(CellJournalTest, KeepsFiguresBesideTheirParticipations) {
  {
    CellJournal journal(path_, header_);
    journal.round({.round = row(1),
                   .participations = {{.round = 1, .client = 5}, {.round = 1, .client = 6}},
                   .figures = entropies({0.5, not_measured})});
    journal.round({.round = row(2), .figures = entropies({})});
    journal.round({.round = row(3), .participations = {{.round = 3, .client = 4}}, .figures = entropies({2})});
  }
  const CellContents cell = read_cell(path_);
  ASSERT_EQ(cell.participations.size(), 3);
  EXPECT_EQ(cell.figures.columns, entropies({}).columns);
  ASSERT_EQ(cell.figures.rows(), 3);
  EXPECT_EQ(cell.figures.real(0, 0), 0.5);
  EXPECT_TRUE(std::isnan(cell.figures.real(1, 0)));
  EXPECT_EQ(cell.figures.real(2, 0), 2);
  const std::vector<RoundRows> rounds = read_rounds(path_);
  EXPECT_EQ(rounds[0].figures.values, entropies({0.5, not_measured}).values);
  EXPECT_EQ(rounds[1].figures.columns, entropies({}).columns);
}

TEST_F(CellJournalTest, RefusesFiguresThatComeAndGo) {
  CellContents with, without;
  add_round(with, {.round = row(1), .participations = {{.round = 1}}, .figures = entropies({1})});
  EXPECT_THROW(add_round(with, {.round = row(2), .participations = {{.round = 2}}}), UserError);
  add_round(without, {.round = row(1), .participations = {{.round = 1}}});
  EXPECT_THROW(add_round(without, {.round = row(2), .participations = {{.round = 2}}, .figures = entropies({1})}),
               UserError);
  CellJournal(path_, header_).round({.round = row(1), .participations = {{.round = 1}}, .figures = entropies({1, 2})});
  EXPECT_THROW(read_cell(path_), UserError);  // figures of two clients for one
}

TEST_F(CellJournalTest, CutsRowsAfterTheCheckpoint) {
  std::uint64_t checkpoint = 0;
  {
    CellJournal journal(path_, header_);
    journal.round({row(1)});
    checkpoint = journal.length();
    journal.round({row(2)});
  }
  CellJournal::resume(path_, checkpoint).round({row(7)});
  const CellContents cell = read_cell(path_);
  ASSERT_EQ(cell.rounds.size(), 2);
  EXPECT_EQ(cell.rounds[1].round, 7);
  EXPECT_FALSE(cell.result);
}

TEST_F(CellJournalTest, IsUnfinishedUntilTheResultIsWhole) {
  {
    CellJournal journal(path_, header_);
    journal.round({row(1)});
    journal.finish({.status = "finished", .hash = "1"}, std::vector{parameter("weight", {4}, ValueType::float32, 4)});
  }
  std::filesystem::resize_file(path_, std::filesystem::file_size(path_) - 1);
  const CellContents cell = read_cell(path_);
  EXPECT_EQ(cell.rounds.size(), 1);
  EXPECT_FALSE(cell.result);
  EXPECT_TRUE(cell.model.empty());
}

TEST_F(CellJournalTest, RefusesRecordsThatDoNotFit) {
  const auto error_of = [&](std::uint32_t kind, std::span<const std::byte> payload) -> std::string {
    {
      CellJournal journal(path_, header_);
      Journal::resume(path_, journal.length()).append(kind, payload);
    }
    try {
      read_cell(path_);
    } catch (const UserError& error) {
      return error.what();
    }
    return "";
  };
  EXPECT_NE(error_of(99, {}).find("unknown kind 99"), std::string::npos);
  EXPECT_NE(error_of(2, Packer().number(1).bytes()).find("ends early"), std::string::npos);
  EXPECT_NE(error_of(2, Packer().row(RoundRow{}).number(~0ULL).bytes()).find("ends early"), std::string::npos);
  // No participations, no figures, no measures, no tables.
  const std::array<std::uint64_t, 4> nothing{};
  EXPECT_NE(error_of(2, Packer().row(RoundRow{}).row(nothing).number(1).bytes()).find("4 unknown bytes"),
            std::string::npos);
  const std::vector<std::int64_t> shape = {1LL << 40, 1LL << 40};
  Packer wrong;
  wrong.text("w").array(std::span(shape)).number(std::int8_t{0}).text("abcd");
  EXPECT_NE(error_of(3, wrong.bytes()).find("not those of its shape"), std::string::npos);
  { Journal::create(path_); }
  EXPECT_THROW(read_cell(path_), UserError);
  EXPECT_THROW(CellJournal(path_, header_).finish({}, std::vector{ModelParameter{"w", {3}, ValueType::float32, {}}}),
               BrokenInvariant);
}

}  // namespace
}  // namespace shoal
