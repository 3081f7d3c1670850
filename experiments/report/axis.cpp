#include "experiments/report/axis.hpp"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>

namespace shoal {
namespace {

constexpr double slack = 1e-9;  // the part of a step by which rounding may move a tick

struct Step {
  double size = 1;
  int decimals = 0;  // needed for its multiples
};

Step step_for(double range, int wanted) {
  const double rough = range / wanted;
  const double power = std::pow(10, std::floor(std::log10(rough)));
  const double factor = rough / power;
  const double size = power * (factor < 1.5 ? 1 : factor < 3.2 ? 2 : factor < 7.1 ? 5 : 10);
  return {size, std::max(0, -static_cast<int>(std::floor(std::log10(size) + slack)))};
}

std::vector<Tick> ticks_between(double low, double high, const Step& step) {
  std::vector<Tick> ticks;
  const std::int64_t last = std::floor(high / step.size + slack);
  for (std::int64_t n = std::ceil(low / step.size - slack); n <= last; ++n) {
    const double value = n * step.size;
    const bool short_text = step.decimals > 6 || std::abs(value) >= 1e7;
    ticks.push_back({value, short_text ? fmt::format("{:g}", value) : fmt::format("{:.{}f}", value, step.decimals)});
  }
  return ticks;
}

// An axis needs a range.
void widen(double& low, double& high) {
  if (high - low > 1e-12 * std::max(std::abs(low), std::abs(high))) return;
  const double margin = low == 0 ? 1 : std::abs(low) * 0.1;
  low -= margin;
  high += margin;
}

}  // namespace

double Axis::position(double value) const {
  if (!logarithmic) return (value - low) / (high - low);
  return value <= 0 ? -1 : std::log(value / low) / std::log(high / low);
}

Axis rounded_axis(double low, double high, int wanted) {
  widen(low, high);
  const Step step = step_for(high - low, wanted);
  Axis axis{.low = std::floor(low / step.size + slack) * step.size,
            .high = std::ceil(high / step.size - slack) * step.size};
  axis.ticks = ticks_between(axis.low, axis.high, step);
  return axis;
}

Axis fitted_axis(double low, double high, int wanted) {
  widen(low, high);
  return {.low = low, .high = high, .ticks = ticks_between(low, high, step_for(high - low, wanted))};
}

Axis logarithmic_axis(double low, double high, int wanted) {
  const int first = static_cast<int>(std::floor(std::log10(low) + slack));
  const int last = std::max(first + 1, static_cast<int>(std::ceil(std::log10(high) - slack)));
  Axis axis{.low = std::pow(10, first), .high = std::pow(10, last), .logarithmic = true};
  const int stride = std::max(1, (last - first + wanted - 1) / wanted);
  for (int power = first; power <= last; power += stride) {
    axis.ticks.push_back({std::pow(10, power), fmt::format("{:g}", std::pow(10, power))});
  }
  return axis;
}

}  // namespace shoal
