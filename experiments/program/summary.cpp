#include "experiments/program/summary.hpp"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>

#include "experiments/program/run/progress.hpp"
#include "sim/record/totals.hpp"
#include "sim/settings/settings.hpp"

namespace shoal {
namespace {

constexpr std::int64_t abandoned_verdict = 1;  // the value in a RoundRow
constexpr double microseconds = 1e-6;

// The spread of get(result); values that are not finite are left out.
template <class Get>
Spread over(const LabelSummary& summary, Get&& get) {
  std::vector<double> values;
  for (const CellResult& result : summary.results) values.push_back(get(result));
  return spread(values);
}

template <class Get>
Spread over_cells(const LabelSummary& summary, Get&& get) {
  std::vector<double> values;
  for (const CellContents* cell : summary.cells) values.push_back(get(*cell));
  return spread(values);
}

// The last measured value of a column.
double last_of(const CellContents& cell, double RoundRow::*field) {
  double last = not_measured;
  for (const RoundRow& row : cell.rounds) last = std::isnan(row.*field) ? last : row.*field;
  return last;
}

void fill(LabelSummary& s) {
  const auto reached = [](const CellResult& r, std::int64_t value) {
    return r.rounds_to_target >= 0 ? value : not_measured;
  };
  const auto status = [&s](const char* wanted) { return std::ranges::count(s.results, wanted, &CellResult::status); };
  s.final_accuracy = over(s, [](const CellResult& r) { return r.final_accuracy; });
  s.best_accuracy = over(s, [](const CellResult& r) { return r.best_accuracy; });
  s.final_loss = s.loss_name == "loss"
                     ? over(s, [](const CellResult& r) { return r.final_loss; })
                     : over_cells(s, [&](const CellContents& c) { return last_measure(c, s.loss_name); });
  const auto last = [&s](double RoundRow::*field) {
    return over_cells(s, [field](const CellContents& cell) { return last_of(cell, field); });
  };
  s.personal_accuracy = last(&RoundRow::personal_accuracy);
  s.personal_accuracy_p10 = last(&RoundRow::personal_accuracy_p10);
  s.personal_loss = last(&RoundRow::personal_loss);
  s.rounds_to_target = over(s, [&](const CellResult& r) { return reached(r, r.rounds_to_target); });
  s.seconds_to_target = over(s, [&](const CellResult& r) { return microseconds * reached(r, r.time_to_target_us); });
  s.rounds = over(s, [](const CellResult& r) { return r.rounds; });
  s.seconds = over_cells(
      s, [](const CellContents& cell) { return cell.rounds.empty() ? 0 : microseconds * cell.rounds.back().time_us; });
  s.bytes_down = over(s, [](const CellResult& r) { return r.bytes_down; });
  s.bytes_up = over(s, [](const CellResult& r) { return r.bytes_up; });
  s.dropouts = over(s, [](const CellResult& r) { return r.dropouts; });
  s.rejected = over(s, [](const CellResult& r) { return r.rejected; });
  s.abandoned = over_cells(s, abandoned_rounds);
  s.diverged = status("diverged");
  s.unfinished = status("unfinished");
  s.nothing_accepted = status("nothing accepted");
}

std::string reached_text(const LabelSummary& s, const std::string& mean) {
  if (s.rounds_to_target.count == 0) return "not reached";
  return fmt::format("{} ({} of {})", mean, s.rounds_to_target.count, s.cells.size());
}

}  // namespace

Spread spread(std::span<const double> values) {
  double sum = 0, squares = 0;
  std::int64_t n = 0;
  for (const double v : values) {
    if (!std::isfinite(v)) continue;
    sum += v;
    ++n;
  }
  if (n == 0) return {};
  const double mean = sum / n;
  for (const double v : values) squares += std::isfinite(v) ? (v - mean) * (v - mean) : 0;
  return {mean, n > 1 ? std::sqrt(squares / (n - 1)) : 0, n};
}

double target_of(const CellContents& cell) {
  return Settings::parse(cell.header.config, "configuration of the run")
      .section("evaluate")
      .number("target", 0, "accuracy whose first round is reported");
}

CellResult result_of(const CellContents& cell) {
  return cell.result ? *cell.result : totals_so_far(cell.rounds, target_of(cell));
}

std::int64_t abandoned_rounds(const CellContents& cell) {
  return std::ranges::count(cell.rounds, abandoned_verdict, &RoundRow::verdict);
}

double last_measure(const CellContents& cell, const std::string& name) {
  double last = not_measured;
  for (const MeasureRow& row : cell.measures) last = row.name == name ? row.value : last;
  return last;
}

std::string metric_of(const CellContents& cell) {
  const auto found = cell.header.provenance.find("metric");
  return found == cell.header.provenance.end() ? "" : found->second;
}

std::vector<LabelSummary> summarize(std::span<const CellContents> cells) {
  std::vector<LabelSummary> summaries;
  for (const CellContents& cell : cells) {
    auto found = std::ranges::find(summaries, cell.header.label, &LabelSummary::label);
    if (found == summaries.end()) {
      found = summaries.insert(found, {.label = cell.header.label, .target = target_of(cell)});
      if (const std::string metric = metric_of(cell); !metric.empty()) found->loss_name = metric;
    }
    found->cells.push_back(&cell);
    found->results.push_back(result_of(cell));
  }
  for (LabelSummary& summary : summaries) fill(summary);
  return summaries;
}

std::string percent_text(const Spread& s) {
  if (s.count == 0) return "-";
  return s.count > 1 ? fmt::format("{:.2f} ± {:.2f} %", 100 * s.mean, 100 * s.deviation)
                     : fmt::format("{:.2f} %", 100 * s.mean);
}

std::string loss_text(const Spread& s) {
  if (s.count == 0) return "-";
  if (s.count == 1 || s.deviation == 0 || std::abs(s.mean) >= 1e6) return fmt::format("{:.4g}", s.mean);
  // As many decimals as show two digits of the deviation.
  const int decimals = std::clamp(1 - static_cast<int>(std::floor(std::log10(s.deviation))), 0, 8);
  return fmt::format("{:.{}f} ± {:.{}f}", s.mean, decimals, s.deviation, decimals);
}

std::string count_text(const Spread& s) {
  if (s.count == 0) return "-";
  return s.mean < 10 ? fmt::format("{:.2g}", s.mean) : fmt::format("{:.0f}", s.mean);
}

std::string bytes_text(const Spread& s) { return s.count == 0 ? "-" : bytes_text(std::llround(s.mean)); }

std::string rounds_to_target_text(const LabelSummary& s) {
  return reached_text(s, fmt::format("{:.0f}", s.rounds_to_target.mean));
}

std::string status_text(const LabelSummary& s) {
  std::string text;
  const auto add = [&](std::int64_t cells, const char* status) {
    if (cells > 0) text += fmt::format("{}{} {}", text.empty() ? "" : ", ", cells, status);
  };
  add(s.diverged, "diverged");
  add(s.nothing_accepted, "nothing accepted");
  add(s.unfinished, "unfinished");
  return text.empty() ? "finished" : text;
}

}  // namespace shoal
