#include "experiments/report/svg_chart.hpp"

#include <fmt/core.h>

#include <algorithm>

#include "experiments/report/html.hpp"

namespace shoal {
namespace {

// In user units; the picture scales with its column.
constexpr double width = 560, height = 340;
constexpr double left = 58, right = 544, top = 12, bottom = 290;
// Colours and dashes of the page's style tell 7 times 3 lines apart, and neighbours even without colour; if one line
// covers another, the lower one shows through the gaps.
constexpr std::size_t colours = 7, dashes = 3;
constexpr double cross = 4;

double x_of(const Chart& chart, double x) { return left + (right - left) * chart.x.position(x); }
double y_of(const Chart& chart, double y) { return bottom - (bottom - top) * std::clamp(chart.y.position(y), -1., 2.); }

std::string classes(std::size_t style) { return fmt::format("c{} d{}", style % colours, style % dashes); }

std::string axes(const Chart& chart) {
  std::string svg;
  for (const Tick& tick : chart.y.ticks) {
    const double y = y_of(chart, tick.value);
    svg += fmt::format("<line class=\"grid\" x1=\"{}\" y1=\"{:.1f}\" x2=\"{}\" y2=\"{:.1f}\"/>", left, y, right, y);
    svg += fmt::format("<text class=\"tick end\" x=\"{}\" y=\"{:.1f}\">{}</text>\n", left - 7, y + 4, tick.label);
  }
  svg += fmt::format("<line class=\"axis\" x1=\"{}\" y1=\"{}\" x2=\"{}\" y2=\"{}\"/>\n", left, bottom, right, bottom);
  for (const Tick& tick : chart.x.ticks) {
    const double x = x_of(chart, tick.value);
    svg +=
        fmt::format("<line class=\"axis\" x1=\"{:.1f}\" y1=\"{}\" x2=\"{:.1f}\" y2=\"{}\"/>", x, bottom, x, bottom + 5);
    svg += fmt::format("<text class=\"tick middle\" x=\"{:.1f}\" y=\"{}\">{}</text>\n", x, bottom + 19, tick.label);
  }
  svg += fmt::format("<text class=\"name middle\" x=\"{}\" y=\"{}\">{}</text>\n", (left + right) / 2, height - 8,
                     escaped(chart.x_title));
  svg += fmt::format("<text class=\"name middle\" transform=\"translate(14 {}) rotate(-90)\">{}</text>\n",
                     (top + bottom) / 2, escaped(chart.y_title));
  return svg;
}

// The area between the lowest and the highest seed.
std::string band(const Chart& chart, const ChartLine& line) {
  const auto& points = line.curve.points;
  if (line.curve.seeds < 2 || points.size() < 2) return "";
  std::string path;
  for (const CurvePoint& p : points) {
    path += fmt::format("{}{:.1f} {:.1f}", path.empty() ? "M" : "L", x_of(chart, p.x), y_of(chart, p.high));
  }
  for (auto p = points.rbegin(); p != points.rend(); ++p) {
    path += fmt::format("L{:.1f} {:.1f}", x_of(chart, p->x), y_of(chart, p->low));
  }
  return fmt::format("<path class=\"band c{}\" d=\"{}Z\"/>\n", line.style % colours, path);
}

// The line is full where every seed has values, and faint where some have ended.
std::string mean(const Chart& chart, const ChartLine& line) {
  std::string full, faint;
  const CurvePoint* last = nullptr;
  for (const CurvePoint& p : line.curve.points) {
    const std::string place = fmt::format("{:.1f} {:.1f}", x_of(chart, p.x), y_of(chart, p.mean));
    if (p.seeds == line.curve.seeds) {
      full += (full.empty() ? "M" : "L") + place;
    } else {
      if (faint.empty() && last) faint = fmt::format("M{:.1f} {:.1f}", x_of(chart, last->x), y_of(chart, last->mean));
      faint += (faint.empty() ? "M" : "L") + place;
    }
    last = &p;
  }
  std::string svg;
  if (!faint.empty()) svg += fmt::format("<path class=\"line faint {}\" d=\"{}\"/>\n", classes(line.style), faint);
  if (line.curve.points.size() == 1) {
    svg += fmt::format("<circle class=\"dot c{}\" cx=\"{:.1f}\" cy=\"{:.1f}\" r=\"3\"/>\n", line.style % colours,
                       x_of(chart, last->x), y_of(chart, last->mean));
  } else if (!full.empty()) {
    svg += fmt::format("<path class=\"line {}\" d=\"{}\"/>\n", classes(line.style), full);
  }
  for (const Curve::End& end : line.curve.diverged) {
    const double x = x_of(chart, end.x), y = y_of(chart, end.y);
    svg += fmt::format("<path class=\"cross c{}\" d=\"M{:.1f} {:.1f}L{:.1f} {:.1f}M{:.1f} {:.1f}L{:.1f} {:.1f}\"/>\n",
                       line.style % colours, x - cross, y - cross, x + cross, y + cross, x - cross, y + cross,
                       x + cross, y - cross);
  }
  return svg;
}

std::string target_line(const Chart& chart) {
  const double y = y_of(chart, *chart.target);
  return fmt::format(
      "<line class=\"target\" x1=\"{}\" y1=\"{:.1f}\" x2=\"{}\" y2=\"{:.1f}\"/><text class=\"tick end halo\" x=\"{}\" "
      "y=\"{:.1f}\">target {:g} %</text>\n",
      left, y, right, y, right - 2, y - 5, *chart.target);
}

}  // namespace

std::string svg_chart(const Chart& chart) {
  std::string svg = fmt::format(
      "<svg class=\"chart\" viewBox=\"0 0 {} {}\" role=\"img\" aria-label=\"{}\" "
      "xmlns=\"http://www.w3.org/2000/svg\">\n"
      "<clipPath id=\"{}\"><rect x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\"/></clipPath>\n",
      width, height, escaped(chart.title), chart.id, left, top - 4, right - left + 6, bottom - top + 4);
  svg += axes(chart);
  svg += fmt::format("<g clip-path=\"url(#{})\">\n", chart.id);
  for (const ChartLine& line : chart.lines) svg += band(chart, line);
  for (const ChartLine& line : chart.lines) {
    svg += fmt::format("<g><title>{}</title>\n{}</g>\n", escaped(line.label), mean(chart, line));
  }
  svg += "</g>\n";
  if (chart.target) svg += target_line(chart);
  return svg + "</svg>\n";
}

std::string svg_swatch(std::size_t style) {
  return fmt::format(
      "<svg class=\"swatch\" viewBox=\"0 0 30 10\" aria-hidden=\"true\"><line class=\"line {}\" x1=\"1\" y1=\"5\" "
      "x2=\"29\" y2=\"5\"/></svg>",
      classes(style));
}

}  // namespace shoal
