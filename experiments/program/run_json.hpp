#pragma once
// `shoal export --json`: the tables of a run as one JSON object, for programs that read runs without HDF5 or while they
// last. The form is described in sim/record/README.md.

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "experiments/program/json.hpp"
#include "sim/record/run_file.hpp"

namespace shoal {

struct RunJsonOptions {
  bool finished = true;                // no journals are left: every cell of the run is there, with its result
  std::optional<std::int64_t> cell{};  // only this one
  std::vector<std::string> tables{};   // only these; empty: all
};

/// A cell's label, seed, status and totals.
Json totals_json(const CellContents& cell);

/// Calls `write` with pieces of the object, a column at most each: a table of 10^6 rows is never held as text.
/// UserError before the first piece when there is no such cell, or none of its cells has such a table.
void write_run_json(const RunContents& run, const RunJsonOptions& options,
                    const std::function<void(const std::string&)>& write);

}  // namespace shoal
