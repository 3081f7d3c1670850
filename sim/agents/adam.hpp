#pragma once
// Adam on a handful of numbers, with the momentum terms that OpenClaw-RL publishes. Kingma and Ba 2015 (arXiv
// 1412.6980).

#include <cmath>
#include <span>
#include <vector>

namespace shoal {

class SmallAdam {
 public:
  explicit SmallAdam(std::size_t size) : first_(size), second_(size) {}

  void apply(std::span<double> parameters, std::span<const double> gradient, double rate) {
    constexpr double beta1 = 0.9, beta2 = 0.98, epsilon = 1e-8;
    ++step_;
    const double scale1 = 1 - std::pow(beta1, step_), scale2 = 1 - std::pow(beta2, step_);
    for (std::size_t i = 0; i < first_.size(); ++i) {
      first_[i] = beta1 * first_[i] + (1 - beta1) * gradient[i];
      second_[i] = beta2 * second_[i] + (1 - beta2) * gradient[i] * gradient[i];
      parameters[i] -= rate * (first_[i] / scale1) / (std::sqrt(second_[i] / scale2) + epsilon);
    }
  }

 private:
  std::vector<double> first_, second_;
  double step_ = 0;
};

}  // namespace shoal
