#include "sim/task/layers/cross_entropy.hpp"

#include <algorithm>
#include <cmath>

namespace shoal {

double cross_entropy(std::span<const float> scores, std::int32_t label, float factor, std::span<float> gradient) {
  const float largest = *std::max_element(scores.begin(), scores.end());
  float sum = 0;
  for (std::size_t i = 0; i < scores.size(); ++i) {
    gradient[i] = std::exp(scores[i] - largest);
    sum += gradient[i];
  }
  const float scale = factor / sum;
  for (float& g : gradient) g *= scale;
  const auto target = static_cast<std::size_t>(label);
  gradient[target] -= factor;
  return std::log(static_cast<double>(sum)) + static_cast<double>(largest) - static_cast<double>(scores[target]);
}

double cross_entropy(std::span<const float> scores, std::int32_t label) {
  const float largest = *std::max_element(scores.begin(), scores.end());
  float sum = 0;
  for (const float score : scores) sum += std::exp(score - largest);
  return std::log(static_cast<double>(sum)) + static_cast<double>(largest) -
         static_cast<double>(scores[static_cast<std::size_t>(label)]);
}

bool is_correct(std::span<const float> scores, std::int32_t label) {
  const auto target = static_cast<std::size_t>(label);
  const float score = scores[target];
  for (std::size_t i = 0; i < scores.size(); ++i) {
    if (i < target ? !(score > scores[i]) : !(score >= scores[i])) return false;  // the form that NaN fails
  }
  return true;
}

}  // namespace shoal
