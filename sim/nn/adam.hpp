#pragma once
// Adam for agents' policies. Kingma and Ba 2015 (arXiv 1412.6980), algorithm 1, with the decay rates that OpenClaw-RL
// publishes.
//
// The forms below are one formula, rounded in different places: results depend on which of them a caller uses.

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <span>
#include <vector>

namespace shoal {

/// Constants of all forms, and the bias corrections of one step.
struct AdamStep {
  static constexpr double beta1 = 0.9, beta2 = 0.98, epsilon = 1e-8;

  /// `number` counts from 1.
  explicit AdamStep(std::int64_t number);

  double correction1, correction2;  // 1 - beta^number
};

/// Adam on spans, with moments in double.
class SpanAdam {
 public:
  explicit SpanAdam(std::size_t size) : first_(size), second_(size) {}

  /// Takes one step against `gradient`.
  void apply(std::span<double> parameters, std::span<const double> gradient, double rate);
  /// Takes one step of float parameters against factor * gradient. Multiplies by the inverse bias corrections, where
  /// the step above divides by them.
  void apply(std::span<float> parameters, std::span<const float> gradient, double rate, double factor);

 private:
  std::vector<double> first_, second_;
  std::int64_t step_ = 0;
};

/// Adam on tensors, with moments in the type of the parameters.
class TensorAdam {
 public:
  /// The parameters after a step against `gradient` [d]: a new tensor, so that serving can keep using the old one.
  /// Frozen parameters have gradient 0 and do not change.
  at::Tensor apply(const at::Tensor& parameters, const at::Tensor& gradient, double rate);

 private:
  at::Tensor first_, second_;  // [d]
  std::int64_t step_ = 0;
};

}  // namespace shoal
