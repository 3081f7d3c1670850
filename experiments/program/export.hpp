#pragma once
// `shoal export`: a run as files that other programs read.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "sim/record/run_file.hpp"

namespace shoal {

/// Writes `folder`/summary.csv (a row for every label: means and deviations over its seeds), `folder`/cells.csv (a row
/// for every cell: label, seed, status, totals and the name of its folder), and per cell a folder LABEL-seedN with
///   model.safetensors          the model (none while the cell is unfinished)
///   rounds.csv, clients.csv    the tables of the run file, columns as there; measures.csv and table-NAME.csv where
///   there
///                              are measures and further tables
///   timeline.json              rounds and participations in virtual time, for ui.perfetto.dev (timeline.hpp)
///   config.toml                what the cell ran
/// The label is reduced to letters, digits and ".=_-". `cell`: the folder of this cell only. Returns the paths.
/// UserError if there is no such cell.
std::vector<std::string> export_run(const RunContents& run, const std::string& folder,
                                    std::optional<std::int64_t> cell = {});

/// RFC 4180, CRLF line ends. A text that begins like a formula gets an apostrophe before it. Reals in the shortest form
/// that reads back to the same bits; NaN is an empty field, which pandas reads as NaN (to the same bits: read_csv(...,
/// float_precision="round_trip")). `further`: columns after those of Row, with a row for each of `rows`.
template <class Row>
std::string csv_table(const std::vector<Row>& rows, const Table& further = {});
std::string csv_table(const std::vector<MeasureRow>& measures);
std::string csv_table(const Table& table);

}  // namespace shoal
