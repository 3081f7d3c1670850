#include "experiments/report/charts.hpp"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "experiments/report/html.hpp"
#include "experiments/report/svg_chart.hpp"
#include "sim/settings/settings.hpp"

namespace shoal {
namespace {

constexpr int x_ticks = 6, y_ticks = 6;
constexpr double start_share = 0.05;         // this part of a curve, its steep start, may leave the picture
constexpr double logarithmic_ratio = 100.0;  // from this ratio on, a linear axis would hide low values

struct Unit {
  double size;
  const char* name;
};

// The largest unit of which `most` holds several.
Unit unit_for(double most, Against against) {
  constexpr std::array time = {Unit{1, "s"}, Unit{60, "min"}, Unit{3600, "h"}, Unit{86400, "d"}};
  constexpr std::array bytes = {Unit{1, "B"},    Unit{1e3, "kB"},  Unit{1e6, "MB"},
                                Unit{1e9, "GB"}, Unit{1e12, "TB"}, Unit{1e15, "PB"}};
  const std::span<const Unit> units = against == Against::bytes_up ? std::span<const Unit>(bytes) : time;
  Unit best = units.front();
  for (const Unit& unit : units) {
    if (most >= 3 * unit.size) best = unit;
  }
  return best;
}

void scale(Curve& curve, double x, double y) {
  for (CurvePoint& p : curve.points) p = {p.x * x, p.mean * y, p.low * y, p.high * y, p.seeds};
  for (Curve::End& end : curve.diverged) end = {end.x * x, end.y * y};
}

struct Range {
  double low = std::numeric_limits<double>::infinity(), high = -std::numeric_limits<double>::infinity();
  void add(double value) {
    low = std::min(low, value);
    high = std::max(high, value);
  }
};

Range x_range(const std::vector<ChartLine>& lines) {
  Range range;
  range.add(0);
  for (const ChartLine& line : lines) {
    for (const CurvePoint& p : line.curve.points) range.add(p.x);
    for (const Curve::End& end : line.curve.diverged) range.add(end.x);
  }
  return range;
}

// The range of all that is drawn at or right of `from`.
Range y_range(const std::vector<ChartLine>& lines, double from) {
  Range range;
  for (const ChartLine& line : lines) {
    for (const CurvePoint& p : line.curve.points) {
      // A curve that ends early is shown whole.
      if (p.x < std::min(from, start_share * line.curve.points.back().x)) continue;
      range.add(p.low);
      range.add(p.high);
    }
    for (const Curve::End& end : line.curve.diverged) range.add(end.y);
  }
  return range;
}

struct ScaledAxis {
  Axis axis;
  bool cut = false;  // values at the start lie outside
};

ScaledAxis y_axis(const std::vector<ChartLine>& lines, Measure measure, double x_high) {
  const Range all = y_range(lines, 0);
  if (measure == Measure::loss && all.low > 0 && all.high > logarithmic_ratio * all.low) {
    return {logarithmic_axis(all.low, all.high, y_ticks)};
  }
  const Range shown = y_range(lines, start_share * x_high);
  Axis axis = rounded_axis(shown.low, shown.high, y_ticks);
  if (measure == Measure::accuracy && axis.high > 100) axis = rounded_axis(shown.low, 100, y_ticks);
  return {axis, all.low < axis.low || all.high > axis.high};
}

// "test " of "test accuracy": the examples of the evaluation, if they are the same in all cells.
std::string evaluated_on(std::span<const LabelSummary> summaries) {
  std::string on;
  for (const LabelSummary& s : summaries) {
    const std::string here = Settings::parse(s.cells.front()->header.config, "configuration of the run")
                                 .section("evaluate")
                                 .text("on", "test", "examples to evaluate on");
    if (!on.empty() && here != on) return "";
    on = here;
  }
  return on + " ";
}

double common_target(std::span<const LabelSummary> summaries) {
  const double target = summaries.front().target;
  return std::ranges::all_of(summaries, [&](const LabelSummary& s) { return s.target == target; }) ? target : 0;
}

std::string capitalized(std::string text) {
  if (!text.empty() && text[0] >= 'a' && text[0] <= 'z') text[0] = static_cast<char>(text[0] - 'a' + 'A');
  return text;
}

// Empty if there is nothing to draw: no value, or an x that never advances.
std::string figure(std::span<const LabelSummary> summaries, Measure measure, Against against) {
  Chart chart;
  for (std::size_t i = 0; i < summaries.size(); ++i) {
    Curve curve = shoal::curve(summaries[i], measure, against);
    if (!curve.points.empty()) chart.lines.push_back({summaries[i].label, i, std::move(curve)});
  }
  const double most = x_range(chart.lines).high;
  if (chart.lines.empty() || most <= 0) return "";

  const Unit unit = against == Against::rounds ? Unit{1, ""} : unit_for(most, against);
  for (ChartLine& line : chart.lines) scale(line.curve, 1 / unit.size, measure == Measure::accuracy ? 100 : 1);
  const std::string measured = measure == Measure::accuracy ? "accuracy" : "loss";
  const std::string what = evaluated_on(summaries) + measured;
  const std::string along = against == Against::rounds            ? "rounds"
                            : against == Against::virtual_seconds ? "virtual time"
                                                                  : "uploaded bytes";
  chart.id = measured + std::to_string(static_cast<int>(against));
  chart.title = capitalized(what + " against " + along);
  chart.x_title = against == Against::rounds ? "round" : fmt::format("{} ({})", along, unit.name);
  if (against == Against::bytes_up) chart.x_title = fmt::format("uploaded by all clients ({})", unit.name);
  chart.y_title = what + (measure == Measure::accuracy ? " (%)" : "");
  chart.x = fitted_axis(0, most / unit.size, x_ticks);
  const ScaledAxis y = y_axis(chart.lines, measure, chart.x.high);
  chart.y = y.axis;
  const double target = 100 * common_target(summaries);
  if (measure == Measure::accuracy && target > chart.y.low && target <= chart.y.high) chart.target = target;

  std::string note;
  if (y.cut) note = measure == Measure::accuracy ? "first values lie below" : "first values lie above";
  if (y.axis.logarithmic) note = "logarithmic";
  if (!note.empty()) note = " <span>(" + note + ")</span>";
  return fmt::format("<figure><figcaption>{}{}</figcaption>\n{}</figure>\n", escaped(chart.title), note,
                     svg_chart(chart));
}

std::string legend(std::span<const LabelSummary> summaries) {
  std::string html = "<ul class=\"legend\">";
  for (std::size_t i = 0; i < summaries.size(); ++i) {
    html += fmt::format("<li>{}{}</li>", svg_swatch(i), escaped(summaries[i].label));
  }
  return html + "</ul>\n";
}

// Explains only what is visible in the charts.
std::string reading_note(std::span<const LabelSummary> summaries) {
  std::string note = "Lines are means over seeds";
  if (std::ranges::any_of(summaries, [](const LabelSummary& s) { return s.cells.size() > 1; })) {
    note += ", bands reach from the lowest to the highest seed";
  }
  note += '.';
  const auto any = [&](const char* status) {
    return std::ranges::any_of(summaries, [&](const LabelSummary& s) {
      return std::ranges::find(s.results, status, &CellResult::status) != s.results.end();
    });
  };
  if (any("diverged")) note += " × marks the last evaluation of a cell that diverged.";
  if (any("diverged") || any("unfinished") || any("target reached")) {
    note += " A line is faint where some of its seeds have ended.";
  }
  return "<p class=\"soft\">" + note + "</p>\n";
}

}  // namespace

std::string charts(std::span<const LabelSummary> summaries) {
  std::string figures;
  for (const Measure measure : {Measure::accuracy, Measure::loss}) {
    const bool main = figures.empty();  // accuracy, or the loss where there is none
    figures += figure(summaries, measure, Against::rounds);
    if (!main) continue;
    figures += figure(summaries, measure, Against::virtual_seconds);
    figures += figure(summaries, measure, Against::bytes_up);
  }
  if (figures.empty()) return "<p>No round was evaluated.</p>\n";
  return legend(summaries) + "<div class=\"charts\">\n" + figures + "</div>\n" + reading_note(summaries);
}

}  // namespace shoal
