#include "experiments/report/curve.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

namespace shoal {
namespace {

constexpr std::size_t most_points = 400;  // more than a chart has columns to show

struct Sample {
  double x, y;
};
using Series = std::vector<Sample>;  // values of one seed; x ascends

Series series_of(const CellContents& cell, Measure measure, Against against) {
  Series series;
  double bytes_up = 0;
  for (const RoundRow& row : cell.rounds) {
    bytes_up += row.bytes_up;
    const double y = measure == Measure::accuracy ? row.accuracy : row.loss;
    if (!std::isfinite(y)) continue;
    const double x = against == Against::rounds            ? row.round
                     : against == Against::virtual_seconds ? 1e-6 * row.time_us
                                                           : bytes_up;
    if (!series.empty() && series.back().x == x) series.pop_back();  // x has not advanced: the newer value counts
    series.push_back({x, y});
  }
  return series;
}

// `x` lies within the series.
double value_at(const Series& series, double x) {
  const auto after = std::ranges::lower_bound(series, x, {}, &Sample::x);
  if (after->x == x || after == series.begin()) return after->y;
  const auto before = after - 1;
  return before->y + (after->y - before->y) * (x - before->x) / (after->x - before->x);
}

std::vector<double> positions(const std::vector<Series>& all, double first, double last) {
  std::vector<double> xs;
  for (const Series& series : all) {
    for (const Sample& sample : series) {
      if (sample.x >= first && sample.x <= last) xs.push_back(sample.x);
    }
  }
  std::ranges::sort(xs);
  xs.erase(std::ranges::unique(xs).begin(), xs.end());
  if (xs.size() <= most_points) return xs;
  std::vector<double> thinned;
  for (std::size_t i = 0; i < most_points; ++i) thinned.push_back(xs[i * (xs.size() - 1) / (most_points - 1)]);
  return thinned;
}

CurvePoint point_at(const std::vector<Series>& all, double x) {
  constexpr double infinite = std::numeric_limits<double>::infinity();
  CurvePoint point{.x = x, .low = infinite, .high = -infinite};
  for (const Series& series : all) {
    if (x > series.back().x) continue;
    const double y = value_at(series, x);
    point.mean += y;
    point.low = std::min(point.low, y);
    point.high = std::max(point.high, y);
    ++point.seeds;
  }
  point.mean /= point.seeds;
  return point;
}

}  // namespace

Curve curve(const LabelSummary& summary, Measure measure, Against against) {
  constexpr double infinite = std::numeric_limits<double>::infinity();
  std::vector<Series> all;
  Curve result;
  double first = -infinite, last_of_all = -infinite, last_of_finished = infinite;
  for (std::size_t i = 0; i < summary.cells.size(); ++i) {
    Series series = series_of(*summary.cells[i], measure, against);
    if (series.empty()) continue;
    const std::string& status = summary.results[i].status;
    first = std::max(first, series.front().x);
    last_of_all = std::max(last_of_all, series.back().x);
    if (status == "finished") last_of_finished = std::min(last_of_finished, series.back().x);
    if (status == "diverged") result.diverged.push_back({series.back().x, series.back().y});
    all.push_back(std::move(series));
  }
  result.seeds = std::ssize(all);
  for (const double x : positions(all, first, std::min(last_of_finished, last_of_all))) {
    result.points.push_back(point_at(all, x));
  }
  return result;
}

}  // namespace shoal
