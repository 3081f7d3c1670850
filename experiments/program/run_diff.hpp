#pragma once
// `shoal diff`: where two runs differ, in settings, provenance, results and rows.

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "experiments/program/json.hpp"
#include "sim/record/run_file.hpp"

namespace shoal {

/// The first value that is not the same in both, bit for bit.
struct FirstDifference {
  std::string table, column;            // "rounds", "accuracy"; "model" and a parameter; column "" for a missing row
  std::int64_t row = 0;                 // from 0; in a model, the position in the parameter
  std::optional<std::int64_t> round{};  // none for the model and for tables without rounds
  std::array<double, 2> values{};       // NaN where a row is missing
};

/// One cell in both runs.
struct CellDiff {
  std::string label;
  std::int64_t seed = 0;
  std::map<std::string, std::array<std::optional<std::string>, 2>> settings, provenance;  // those that differ
  std::vector<std::pair<std::string, std::array<double, 2>>> results;                     // the same
  std::array<std::string, 2> status, hash;
  std::optional<FirstDifference> first;
};

struct RunDiff {
  std::array<std::string, 2> files;
  std::vector<std::string> only_in_first, only_in_second;  // "fed_avg seed 1"
  std::vector<CellDiff> cells;                             // cells that both have

  /// Whether both have the same cells with the same results, whatever their settings.
  bool same() const;
};

/// Compares the cells that have the same label and seed; the only cells of two runs are compared whatever they are
/// called.
RunDiff diff_runs(const std::array<std::string, 2>& files, const std::array<RunContents, 2>& runs);

/// As text for a terminal, and as JSON.
std::string diff_text(const RunDiff& diff);
Json diff_json(const RunDiff& diff);

}  // namespace shoal
