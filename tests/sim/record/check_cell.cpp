// Is a cell that no run could have written refused, with its row and column named?

#include "sim/record/check_cell.hpp"

#include <functional>

#include "tests/datasets/readers/files.hpp"

namespace shoal {
namespace {

using namespace shoal::testing;

CellContents sound() {
  CellContents cell;
  cell.header = {.index = 3, .label = "fed_avg µ", .seed = 0, .provenance = {{"cell ranks", "4"}, {"block", "16"}}};
  for (std::int64_t round = 1; round <= 3; ++round) {
    cell.rounds.push_back({.round = round, .version = round, .time_us = round * 1'000'000, .committed = 2});
    for (std::int64_t client = 0; client < 2; ++client) {
      cell.participations.push_back({.round = round,
                                     .client = client,
                                     .start_us = 500'000,
                                     .finish_us = round * 1'000'000,
                                     .outcome = client == 0 ? 0 : -2,
                                     .committed = 1,
                                     .accepted = 1});
    }
  }
  cell.measures = {{1, "spectral gap", 0.5}};
  cell.result.emplace().status = "finished";
  return cell;
}

struct Forgery {
  const char* facts;  // text that the error must contain
  std::function<void(CellContents&)> forge;
};

constexpr std::int64_t huge = std::int64_t{1} << 62;

TEST(CheckCell, AcceptsWhatRunsWrite) {
  EXPECT_NO_THROW(check_cell(sound(), "run.h5"));
  EXPECT_NO_THROW(check_cell({}, "run.h5"));
  CellContents cell = sound();
  cell.participations[5].finish_us = 4'000'000'000'000'000'000;  // the largest time that the engine reaches
  cell.participations[5].outcome = 5;                            // a dropout in a phase of a protocol
  cell.rounds[2].verdict = 2;
  cell.rounds[2].round = 2;  // several rows of a round
  EXPECT_NO_THROW(check_cell(cell, "run.h5"));
}

TEST(CheckCell, NamesTheForgedNumber) {
  const std::vector<Forgery> forgeries = {
      {"rounds/time_us is -1 in row 2", [](CellContents& c) { c.rounds[1].time_us = -1; }},
      {"rounds/time_us is 4611686018427387904 in row 3", [](CellContents& c) { c.rounds[2].time_us = huge; }},
      {"rounds/round is 0 in row 1", [](CellContents& c) { c.rounds[0].round = 0; }},
      {"rounds/round goes from 3 back to 2 in row 3",
       [](CellContents& c) { c.rounds[1].round = 3, c.rounds[2].round = 2; }},
      {"rounds/bytes_up is 4611686018427387904", [](CellContents& c) { c.rounds[0].bytes_up = huge; }},
      {"rounds/examples is -3", [](CellContents& c) { c.rounds[0].examples = -3; }},
      {"rounds/verdict is 3", [](CellContents& c) { c.rounds[0].verdict = 3; }},
      {"clients/start_us is -9223372036854775808", [](CellContents& c) { c.participations[0].start_us = INT64_MIN; }},
      {"clients/finish_us is 9223372036854775807", [](CellContents& c) { c.participations[0].finish_us = INT64_MAX; }},
      {"clients/finish_us is 1 in row 4, before its start", [](CellContents& c) { c.participations[3].finish_us = 1; }},
      {"clients/client is -1", [](CellContents& c) { c.participations[0].client = -1; }},
      {"clients/outcome is 128", [](CellContents& c) { c.participations[0].outcome = 128; }},
      {"clients/committed is 2", [](CellContents& c) { c.participations[0].committed = 2; }},
      {"clients/accepted is -1", [](CellContents& c) { c.participations[0].accepted = -1; }},
      {"clients/round goes from 3 back to 1", [](CellContents& c) { c.participations[5].round = 1; }},
      {"\"cell ranks\" of its provenance is \"4294967296\"",
       [](CellContents& c) { c.header.provenance["cell ranks"] = "4294967296"; }},
      {"\"cell ranks\" of its provenance is \"0\"", [](CellContents& c) { c.header.provenance["cell ranks"] = "0"; }},
      {"\"block\" of its provenance is \"x\"", [](CellContents& c) { c.header.provenance["block"] = "x"; }},
      {"\"block\" of its provenance is \"\"", [](CellContents& c) { c.header.provenance["block"] = ""; }},
      {"\"threads\" of its provenance is \"2 \"", [](CellContents& c) { c.header.provenance["threads"] = "2 "; }},
      {"\"clients\" of its provenance is \"99999999999999999999\"",
       [](CellContents& c) { c.header.provenance["clients"] = "99999999999999999999"; }},
      {"its label has control characters", [](CellContents& c) { c.header.label = "a\x1b[2J"; }},
      {"its label has control characters", [](CellContents& c) { c.header.label = std::string("a\0b", 3); }},
      {"the name of a measure", [](CellContents& c) { c.measures[0].name = "\a"; }},
      {"its total 'rounds' is -2", [](CellContents& c) { c.result->rounds = -2; }},
      {"its total 'time_to_target_us' is -2", [](CellContents& c) { c.result->time_to_target_us = -2; }},
      {"status or hash", [](CellContents& c) { c.result->status = "finished\r"; }},
      {"its index is -1", [](CellContents& c) { c.header.index = -1; }},
  };
  for (const Forgery& forgery : forgeries) {
    CellContents cell = sound();
    forgery.forge(cell);
    const std::string text = user_error_of([&] { check_cell(cell, "run.h5"); });
    EXPECT_TRUE(contains(text, "'run.h5', cell ")) << text;
    EXPECT_TRUE(contains(text, forgery.facts)) << text;
  }
}

}  // namespace
}  // namespace shoal
