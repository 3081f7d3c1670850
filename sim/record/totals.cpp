#include "sim/record/totals.hpp"

#include <cmath>

namespace shoal {

void add_round(CellResult& totals, const RoundRow& row, double target) {
  totals.rounds = row.round;
  totals.bytes_down += row.bytes_down;
  totals.bytes_up += row.bytes_up;
  totals.dropouts += row.dropouts;
  totals.rejected += row.rejected;
  if (std::isnan(row.accuracy) && std::isnan(row.loss)) return;  // not evaluated
  totals.final_accuracy = row.accuracy;
  totals.final_loss = row.loss;
  totals.best_accuracy = std::fmax(totals.best_accuracy, row.accuracy);
  if (target > 0 && row.accuracy >= target && totals.rounds_to_target < 0) {
    totals.rounds_to_target = row.round;
    totals.time_to_target_us = row.time_us;
  }
}

CellResult totals_so_far(std::span<const RoundRow> rounds, double target) {
  CellResult totals{.status = "unfinished", .hash = ""};
  for (const RoundRow& row : rounds) add_round(totals, row, target);
  return totals;
}

}  // namespace shoal
