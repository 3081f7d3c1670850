#pragma once
// The progress of a cell, as the user sees it.

#include <cstdint>
#include <cstdio>
#include <string>

#include "sim/record/rows.hpp"

namespace shoal {

/// "0.25 s", "12 s", "3 min 05 s", "2 h 14 min", "3 d 04 h".
std::string duration_text(double seconds);
/// "512 B", "1.5 kB", "2.0 GB": powers of 1000.
std::string bytes_text(std::int64_t bytes);

/// Colours are for terminals whose user did not set NO_COLOR (no-color.org).
bool wants_colour(bool is_terminal);

/// Seconds on a clock that never goes back.
double steady_seconds();

/// The columns of the terminal: those of `out`, else COLUMNS, else 80.
std::size_t terminal_width(std::FILE* out);

/// The progress of all cells that a rank reports.
struct GridProgress {
  std::int64_t cells = 1, done = 0;
  double log_every = 0;     // seconds between two lines outside a terminal; 0: a line per evaluation
  double start = -1;        // on the clock, when the first cell began; -1: not yet
  double worked = 0;        // cells, or parts of them, that were computed since
  double last_line = -1e9;  // on the clock
};

/// On a terminal one line that is updated at most ten times a second; else a line per evaluation, or fewer
/// (`log_every`). `grid` must outlive it.
class Progress {
 public:
  Progress(std::string label, std::int64_t total_rounds, bool is_terminal, std::FILE* out, GridProgress& grid,
           double (*clock)() = steady_seconds);

  /// After each round; cheap enough for thousands a second.
  void round(const RoundRow& row, const Measures& measures = {});
  /// For a round that was abandoned for a reason: a line of its own, unless the last one gave the same reason.
  void abandoned(std::int64_t round, const std::string& reason);
  /// Ends the updated line, and the cell; `status` as in CellResult.
  void finish(const std::string& status);

 private:
  std::string numbers() const;
  double share_here() const;  // share of the cell that this process computed
  /// "  all cells 25 %, 3 min 05 s left"
  std::string grid_numbers() const;
  void show();

  std::string label_;
  std::int64_t total_;
  bool is_terminal_, colour_;
  std::FILE* out_;
  GridProgress& grid_;
  double (*clock_)();
  double start_, last_shown_;
  std::int64_t rounds_here_ = 0;  // rounds of this process, without those before a resume
  RoundRow row_;
  double accuracy_ = not_measured, loss_ = not_measured;  // at the last evaluation
  std::string reason_;                                    // the last reason for an abandoned round
  Measures measures_;                                     // in the last round; shown if there is no accuracy or loss
};

}  // namespace shoal
