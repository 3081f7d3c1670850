#include "sim/agents/softmax.hpp"

#include <algorithm>
#include <cmath>

namespace shoal {

void log_softmax(std::span<double> logits) {
  const double largest = *std::ranges::max_element(logits);
  double sum = 0;
  for (const double z : logits) sum += std::exp(z - largest);
  const double shift = largest + std::log(sum);
  for (double& z : logits) z -= shift;
}

void log_softmax(std::span<const float> logits, double temperature, std::span<double> log_p) {
  const double largest = *std::ranges::max_element(logits) / temperature;
  double sum = 0;
  for (std::size_t v = 0; v < logits.size(); ++v) {
    log_p[v] = logits[v] / temperature - largest;
    sum += std::exp(log_p[v]);
  }
  const double shift = std::log(sum);
  for (double& x : log_p) x -= shift;
}

void softmax_backward(std::span<const double> log_p, std::span<double> slopes) {
  double total = 0;
  for (const double s : slopes) total += s;
  for (std::size_t v = 0; v < slopes.size(); ++v) slopes[v] -= std::exp(log_p[v]) * total;
}

}  // namespace shoal
