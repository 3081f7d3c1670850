#pragma once
// `shoal report`: runs as one page that needs nothing else.

#include <span>
#include <string>
#include <vector>

#include "experiments/program/summary.hpp"
#include "sim/record/run_file.hpp"

namespace shoal {

struct ReportedRun {
  std::string file;  // its path: shown in the page, and its name tells labels apart
  RunContents contents;
};

/// HTML with tables, curves as inline SVG, configurations and provenance. The same runs give the same page.
/// UserError if there is no cell.
std::string report_page(std::span<const ReportedRun> runs);

/// Summaries of all runs. A label that several runs have becomes "file: label".
std::vector<LabelSummary> summarize_runs(std::span<const ReportedRun> runs);

}  // namespace shoal
