#pragma once
// Softmax cross entropy of single rows of scores, and as the end of a stack.

#include <cstdint>
#include <span>

#include "sim/nn/layers/layer.hpp"

namespace shoal {

/// The loss of one row, -log softmax(scores)[label]; writes its gradient times `factor` to `gradient`. Scores that are
/// not finite give a loss that is not finite.
double cross_entropy(std::span<const float> scores, std::int64_t label, float factor, std::span<float> gradient);

/// The loss alone.
double cross_entropy(std::span<const float> scores, std::int64_t label);

/// Whether `label` has the largest score, or is the first with it; false when a score is NaN.
bool is_correct(std::span<const float> scores, std::int64_t label);

/// Weighted losses of K clients with B examples each, and their gradient with respect to the scores. Uses loops over
/// rows where possible: for few classes a library's calls cost more than the work.
class StackedCrossEntropy {
 public:
  StackedCrossEntropy() = default;
  /// `scores` are the last values of a stack, with a gradient; losses times weights are added to the losses of `rows`.
  StackedCrossEntropy(const Activation& scores, const ParameterRows& rows, const StackForm& form);

  at::Tensor labels;   // [K, B], int64
  at::Tensor weights;  // [K, B], those of `scores` if it has some; rows of weight 0 take no part

  void use(std::int64_t active);
  void run();

 private:
  struct Views {
    at::Tensor scores, gradient, logarithms, labels, weights, row_losses, minus_one, step_losses, sums;
  };
  void run_loops();
  void run_library();

  Activation scores_;
  bool library_ = false;
  std::int64_t active_ = 0;
  at::Tensor sums_, logarithms_, row_losses_, minus_one_, step_losses_;  // all but the first are for the library alone
  Views now_;
};

}  // namespace shoal
