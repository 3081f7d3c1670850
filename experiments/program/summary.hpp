#pragma once
// The cells of each label, summarised over their seeds: the numbers of the table.

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "sim/record/cell_journal.hpp"

namespace shoal {

/// Mean and sample standard deviation of the finite ones among some values.
struct Spread {
  double mean = not_measured, deviation = 0;
  std::int64_t count = 0;  // number of finite values
};
Spread spread(std::span<const double> values);

/// Cells that differ in the seed only. A diverged or unfinished cell counts with what was measured last.
struct LabelSummary {
  std::string label;
  std::vector<const CellContents*> cells;  // in grid order; not owned
  std::vector<CellResult> results;         // one per cell; totals so far for an unfinished one
  double target = 0;                       // accuracy to reach; 0: none
  std::string loss_name = "loss";          // name of `final_loss`: "loss", or the metric of a study

  Spread final_accuracy, best_accuracy, final_loss;
  Spread personal_accuracy, personal_accuracy_p10, personal_loss;  // at the last evaluation
  Spread rounds_to_target, seconds_to_target;                      // virtual; over the cells that reached the target
  Spread rounds, seconds;                                          // virtual
  Spread bytes_down, bytes_up, dropouts, rejected, abandoned;
  std::int64_t diverged = 0, unfinished = 0, nothing_accepted = 0;  // cells
};

/// One summary per label, in the order in which labels appear first. `cells` must outlive it.
std::vector<LabelSummary> summarize(std::span<const CellContents> cells);

/// The result of a cell, or its totals so far.
CellResult result_of(const CellContents& cell);
/// The accuracy that a cell's configuration asks for; 0: none.
double target_of(const CellContents& cell);
std::int64_t abandoned_rounds(const CellContents& cell);
/// The value of a measure in the last round that has it; NaN where none has.
double last_measure(const CellContents& cell, const std::string& name);
/// The name of the metric by which a study compares its cells; empty for other cells.
std::string metric_of(const CellContents& cell);

/// "94.40 ± 0.06 %", "0.1690 ± 0.0028", "-" where nothing was measured. The deviation only over several values.
std::string percent_text(const Spread& accuracy);
std::string loss_text(const Spread& loss);
/// A mean of counts: small ones with two digits, so that one event in several seeds does not round to 0.
std::string count_text(const Spread& counts);
std::string bytes_text(const Spread& bytes);
/// "20 (3 of 3)": the mean, and how many of the seeds reached the target; or "not reached".
std::string rounds_to_target_text(const LabelSummary& summary);
/// "finished", "1 diverged, 2 unfinished".
std::string status_text(const LabelSummary& summary);

}  // namespace shoal
