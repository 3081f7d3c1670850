// The output of `shoal diff`.
#include "experiments/program/run_diff.hpp"

#include <fmt/format.h>

namespace shoal {
namespace {

std::string line(const std::string& what, const std::string& name, const std::string& a, const std::string& b) {
  return fmt::format("  {:<11} {:<24} {}  |  {}\n", what, name, a, b);
}

std::string lines(const std::string& what, const auto& values) {
  std::string text;
  for (const auto& [key, sides] : values) {
    text += line(text.empty() ? what : "", key, sides[0].value_or("-"), sides[1].value_or("-"));
  }
  return text;
}

std::string place_text(const FirstDifference& first) {
  std::string text = fmt::format("  first       {}", first.table);
  if (!first.column.empty()) text += fmt::format(", {}", first.column);
  text += fmt::format(", row {}", first.row);
  if (first.round) text += fmt::format(", in round {}", *first.round);
  const auto& [a, b] = first.values;
  if (first.column.empty()) return text + ": one of the runs has no such row\n";
  if (a != a && b != b) return text + ": of another shape or name\n";
  return text + fmt::format(": {}  |  {}\n", a, b);
}

std::string cell_text(const CellDiff& cell) {
  std::string text = lines("settings", cell.settings) + lines("provenance", cell.provenance);
  std::string results;
  if (cell.status[0] != cell.status[1]) results += line("results", "status", cell.status[0], cell.status[1]);
  for (const auto& [name, values] : cell.results) {
    results += line(results.empty() ? "results" : "", name, fmt::format("{}", values[0]), fmt::format("{}", values[1]));
  }
  text += results;
  if (cell.first) return text + place_text(*cell.first);
  if (cell.hash[0] == cell.hash[1]) return text + fmt::format("  same hash   {}\n", cell.hash[0]);
  return text + "  the hashes differ, but no row does: one of the files was changed, or a cell is unfinished\n";
}

Json pair_json(const std::array<std::optional<std::string>, 2>& sides) {
  Json json = Json::array();
  for (const auto& side : sides) json.push_back(side ? Json(*side) : Json());
  return json;
}

Json values_json(const auto& values) {
  Json json = Json::object();
  for (const auto& [key, sides] : values) json[key] = pair_json(sides);
  return json;
}

Json reals(const std::array<double, 2>& values) { return Json::array({json_real(values[0]), json_real(values[1])}); }

Json place_json(const FirstDifference& first) {
  return {{"table", first.table},
          {"column", first.column},
          {"row", first.row},
          {"round", first.round ? Json(*first.round) : Json()},
          {"values", reals(first.values)}};
}

}  // namespace

std::string diff_text(const RunDiff& diff) {
  std::string text = fmt::format("{}  |  {}\n", diff.files[0], diff.files[1]);
  for (int side : {0, 1}) {
    for (const std::string& name : side == 0 ? diff.only_in_first : diff.only_in_second) {
      text += fmt::format("only in {}: {}\n", diff.files[side], name);
    }
  }
  for (const CellDiff& cell : diff.cells) {
    text += fmt::format("\n{} seed {}\n{}", cell.label, cell.seed, cell_text(cell));
  }
  return text + (diff.same() ? "\nevery result is the same\n" : "\nthe results differ\n");
}

Json diff_json(const RunDiff& diff) {
  Json cells = Json::array();
  for (const CellDiff& cell : diff.cells) {
    Json results = Json::object();
    if (cell.status[0] != cell.status[1]) results["status"] = cell.status;
    if (cell.hash[0] != cell.hash[1]) results["hash"] = cell.hash;
    for (const auto& [name, values] : cell.results) results[name] = reals(values);
    cells.push_back({{"label", cell.label},
                     {"seed", cell.seed},
                     {"settings", values_json(cell.settings)},
                     {"provenance", values_json(cell.provenance)},
                     {"results", results},
                     {"first_difference", cell.first ? place_json(*cell.first) : Json()}});
  }
  return {{"files", diff.files},
          {"same", diff.same()},
          {"only_in_first", diff.only_in_first},
          {"only_in_second", diff.only_in_second},
          {"cells", cells}};
}

}  // namespace shoal
