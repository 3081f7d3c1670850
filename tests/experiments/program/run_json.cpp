// Does the JSON of a run hold every value, to the bit?

#include "experiments/program/run_json.hpp"

#include <gtest/gtest.h>

#include <bit>
#include <cstdlib>
#include <limits>

#include "sim/error.hpp"

namespace shoal {
namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();

TEST(Json, WritesRealsThatReadBack) {
  for (const double value : {0.0, -0.0, 1.0, 0.1, 1e300, 5e-324, 1.0 / 3, -123456789.25}) {
    const std::string text = json_real_text(value);
    EXPECT_EQ(std::bit_cast<std::uint64_t>(std::strtod(text.c_str(), nullptr)), std::bit_cast<std::uint64_t>(value))
        << text;
    EXPECT_TRUE(Json::parse(text).is_number_float()) << text;
  }
  EXPECT_EQ(json_real_text(not_measured), "null");
  EXPECT_EQ(json_real_text(-infinity), "\"-inf\"");
}

TEST(Json, ReplacesWhatIsNoUtf8) {
  EXPECT_EQ(json_text("a\xff"
                      "b"),
            "\"a\uFFFD"
            "b\"");
}

RunContents run_of_two() {
  RunContents run{.info = {"two \"cells\"", "0.1.0"}, .hash = "h"};
  for (std::int64_t index : {0, 1}) {
    CellContents cell;
    cell.header = {
        .index = index, .label = "label", .seed = index + 1, .config = "rounds = 2\n", .provenance = {{"mpi", "x"}}};
    cell.rounds = {{.round = 1, .loss = infinity}, {.round = 2, .accuracy = 0.1}};
    cell.measures = {{.round = 2, .name = "gap", .value = 2}};
    Table edges{.columns = {{"to", FieldType::integer, "node"}, {"weight", FieldType::real, "1"}}};
    edges.add({std::int64_t{7}, 0.5});
    cell.tables["edges"] = edges;
    if (index == 0) cell.result = CellResult{.status = "finished", .hash = "h0", .rounds = 2};
    run.cells.push_back(cell);
  }
  return run;
}

Json json_of(const RunContents& run, const RunJsonOptions& options = {}) {
  std::string text;
  write_run_json(run, options, [&](const std::string& piece) { text += piece; });
  EXPECT_EQ(text.find('\n'), text.size() - 1);
  return Json::parse(text);
}

TEST(RunJson, HoldsEveryTable) {
  const Json run = json_of(run_of_two(), {.finished = false});
  EXPECT_EQ(run["name"], "two \"cells\"");
  EXPECT_EQ(run["hash"], nullptr);
  ASSERT_EQ(run["cells"].size(), 2U);
  const Json& cell = run["cells"][1];
  EXPECT_EQ(cell["status"], "unfinished");
  EXPECT_EQ(cell["rounds"], 2);
  EXPECT_EQ(cell["hash"], nullptr);
  EXPECT_EQ(run["cells"][0]["hash"], "h0");
  const Json& tables = cell["tables"];
  EXPECT_EQ(tables["rounds"]["round"], Json::array({1, 2}));
  EXPECT_EQ(tables["rounds"]["loss"], Json::array({"inf", nullptr}));
  EXPECT_EQ(tables["rounds"]["accuracy"], Json::array({nullptr, 0.1}));
  EXPECT_EQ(tables["rounds"].size(), fields<RoundRow>().size());
  EXPECT_EQ(tables["clients"]["client"], Json::array());
  EXPECT_EQ(tables["measures"], (Json{{"round", {2}}, {"name", {"gap"}}, {"value", {2.0}}}));
  EXPECT_EQ(tables["tables/edges"], (Json{{"to", {7}}, {"weight", {0.5}}}));
  EXPECT_EQ(cell["units"]["tables/edges"]["to"], "node");
}

TEST(RunJson, HoldsWhatIsWanted) {
  const Json run = json_of(run_of_two(), {.cell = 1, .tables = {"measures"}});
  ASSERT_EQ(run["cells"].size(), 1U);
  EXPECT_EQ(run["cells"][0]["index"], 1);
  EXPECT_EQ(run["cells"][0]["tables"].size(), 1U);
  EXPECT_EQ(run["hash"], "h");
  const auto nothing = [](const std::string&) { FAIL() << "printed before the error"; };
  EXPECT_THROW(write_run_json(run_of_two(), {.cell = 2}, nothing), UserError);
  EXPECT_THROW(write_run_json(run_of_two(), {.tables = {"edges"}}, nothing), UserError);
}

}  // namespace
}  // namespace shoal
