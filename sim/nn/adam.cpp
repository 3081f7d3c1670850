#include "sim/nn/adam.hpp"

#include <ATen/TensorOperators.h>
#include <ATen/ops/sqrt.h>
#include <ATen/ops/zeros_like.h>

#include <cmath>

namespace shoal {
namespace {

constexpr double beta1 = AdamStep::beta1, beta2 = AdamStep::beta2, epsilon = AdamStep::epsilon;

}  // namespace

AdamStep::AdamStep(std::int64_t number)
    : correction1(1 - std::pow(beta1, number)), correction2(1 - std::pow(beta2, number)) {}

void SpanAdam::apply(std::span<double> parameters, std::span<const double> gradient, double rate) {
  const AdamStep step(++step_);
  for (std::size_t i = 0; i < first_.size(); ++i) {
    first_[i] = beta1 * first_[i] + (1 - beta1) * gradient[i];
    second_[i] = beta2 * second_[i] + (1 - beta2) * gradient[i] * gradient[i];
    parameters[i] -= rate * (first_[i] / step.correction1) / (std::sqrt(second_[i] / step.correction2) + epsilon);
  }
}

void SpanAdam::apply(std::span<float> parameters, std::span<const float> gradient, double rate, double factor) {
  const AdamStep step(++step_);
  const double inverse1 = 1 / step.correction1, inverse2 = 1 / step.correction2;
  for (std::size_t i = 0; i < first_.size(); ++i) {
    const double g = factor * gradient[i];
    first_[i] = beta1 * first_[i] + (1 - beta1) * g;
    second_[i] = beta2 * second_[i] + (1 - beta2) * g * g;
    const double change = rate * first_[i] * inverse1 / (std::sqrt(second_[i] * inverse2) + epsilon);
    parameters[i] -= static_cast<float>(change);
  }
}

at::Tensor TensorAdam::apply(const at::Tensor& parameters, const at::Tensor& gradient, double rate) {
  if (step_ == 0) {
    first_ = at::zeros_like(parameters);
    second_ = at::zeros_like(parameters);
  }
  const AdamStep step(++step_);
  first_.mul_(beta1).add_(gradient, 1 - beta1);
  second_.mul_(beta2).addcmul_(gradient, gradient, 1 - beta2);
  return parameters - (first_ / step.correction1).mul_(rate).div_((second_ / step.correction2).sqrt_().add_(epsilon));
}

}  // namespace shoal
