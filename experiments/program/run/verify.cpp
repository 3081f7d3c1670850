#include "experiments/program/run/verify.hpp"

#include <fmt/core.h>

#include <algorithm>

#include "experiments/program/check.hpp"
#include "experiments/program/run/output.hpp"
#include "experiments/program/run/run_cell.hpp"
#include "sim/record/run_file.hpp"

namespace shoal {

Run run_from_file(const std::string& path) {
  const RunContents file = read_run_file(path);
  require_checkable(file, path);
  Run run{.name = file.info.name, .kept = false};
  for (const CellContents& cell : file.cells) {
    if (!cell.result) continue;
    run.cells.push_back({.index = cell.header.index,
                         .label = cell.header.label,
                         .seed = cell.header.seed,
                         .settings = Settings::parse(cell.header.config, path),
                         .block = settled_block(cell.header)});
  }
  if (run.cells.empty()) user_error("{}: has no finished cell. Finish the run with --resume.", path);
  compose_cells(run, built_in_choice);
  for (const Cell& cell : run.cells) {
    const auto of_cell = std::ranges::find(file.cells, cell.index, [](const auto& c) { return c.header.index; });
    check_inputs(cell, of_cell->header.provenance, path);
  }
  return run;
}

std::string compare_with_file(const std::string& path, const RunResult& now, bool& equal) {
  const RunContents file = read_run_file(path);
  equal = true;
  std::string text;
  std::map<std::string, std::string> differences;
  for (const CellContents& fresh : now.cells) {
    for (const CellContents& old : file.cells) {
      if (old.header.index != fresh.header.index) continue;
      const std::vector<std::string> findings = contradictions(old);
      const bool same = old.result->hash == fresh.result->hash && findings.empty();
      equal = equal && same;
      text += fmt::format("{}  cell {}, {} seed {}: {}\n", same ? "same     " : "DIFFERENT", old.header.index,
                          old.header.label, old.header.seed,
                          same ? old.result->hash : old.result->hash + " in the file, " + fresh.result->hash + " now");
      for (const std::string& finding : findings) text += fmt::format("  {}\n", finding);
      for (const char* fact : {"program", "commit", "compiler", "libtorch", "processor", "environment", "device",
                               "data", "reproducible"}) {
        const auto was = old.header.provenance.find(fact), is = fresh.header.provenance.find(fact);
        const bool in_both = was != old.header.provenance.end() && is != fresh.header.provenance.end();
        if (!in_both || was->second == is->second) continue;
        differences[fact] = fmt::format("{}: {} in the file, {} here\n", fact, was->second, is->second);
      }
    }
  }
  if (!equal && differences.empty()) text += "nothing in the provenance differs\n";
  for (const auto& [fact, line] : differences) text += line;
  return text;
}

}  // namespace shoal
