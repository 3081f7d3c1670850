#include "experiments/program/run/verify.hpp"

#include <fmt/core.h>

#include "experiments/program/run/run_cell.hpp"
#include "sim/record/run_file.hpp"

namespace shoal {

Run run_from_file(const std::string& path) {
  const RunContents file = read_run_file(path);
  if (file.schema_version != run_schema_version) {
    user_error(
        "{}: has schema version {}, whose hashes are defined differently from those of version {}. Verify it with the "
        "version of Shoal that wrote it, or run the experiment again.",
        path, file.schema_version, run_schema_version);
  }
  Run run{.name = file.info.name, .out = path + ".verify"};
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
      const bool same = old.result->hash == fresh.result->hash;
      equal = equal && same;
      text += fmt::format("{}  cell {}, {} seed {}: {}\n", same ? "same     " : "DIFFERENT", old.header.index,
                          old.header.label, old.header.seed,
                          same ? old.result->hash : old.result->hash + " in the file, " + fresh.result->hash + " now");
      for (const char* fact : {"program", "commit", "compiler", "libtorch", "processor", "environment", "device",
                               "data", "reproducible"}) {
        const auto was = old.header.provenance.find(fact), is = fresh.header.provenance.find(fact);
        if (was == old.header.provenance.end() || was->second == is->second) continue;
        differences[fact] = fmt::format("{}: {} in the file, {} here\n", fact, was->second, is->second);
      }
    }
  }
  if (!equal && differences.empty()) text += "nothing in the provenance differs\n";
  for (const auto& [fact, line] : differences) text += line;
  return text;
}

}  // namespace shoal
