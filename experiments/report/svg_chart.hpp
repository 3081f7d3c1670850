#pragma once
// A line chart as inline SVG. Colours and fonts are classes of the page's style.

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "experiments/report/axis.hpp"
#include "experiments/report/curve.hpp"

namespace shoal {

struct ChartLine {
  std::string label;
  std::size_t style = 0;  // index in the order of styles
  Curve curve;            // in the units of the axes
};

struct Chart {
  std::string id;  // unique in the page: letters and digits
  std::string title, x_title, y_title;
  Axis x, y;
  std::vector<ChartLine> lines;
  std::optional<double> target;  // percent; a horizontal line
};

std::string svg_chart(const Chart& chart);

/// A sample of the line as in the charts, for legends and tables.
std::string svg_swatch(std::size_t style);

}  // namespace shoal
