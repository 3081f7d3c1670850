#include "sim/nn/layers/cross_entropy.hpp"

#include <ATen/core/LegacyTypeDispatch.h>
#include <ATen/ops/_log_softmax.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/exp.h>
#include <ATen/ops/full.h>
#include <ATen/ops/gather.h>
#include <ATen/ops/mul.h>
#include <ATen/ops/sum.h>
#include <ATen/ops/zeros.h>

#include <algorithm>
#include <cmath>

namespace shoal {

double cross_entropy(std::span<const float> scores, std::int64_t label, float factor, std::span<float> gradient) {
  const float largest = *std::max_element(scores.begin(), scores.end());
  float sum = 0;
  for (std::size_t i = 0; i < scores.size(); ++i) {
    gradient[i] = std::exp(scores[i] - largest);
    sum += gradient[i];
  }
  const float scale = factor / sum;
  for (float& g : gradient) g *= scale;
  gradient[label] -= factor;
  const double total = sum;
  return std::log(total) + largest - scores[label];
}

double cross_entropy(std::span<const float> scores, std::int64_t label) {
  const float largest = *std::max_element(scores.begin(), scores.end());
  float sum = 0;
  for (const float score : scores) sum += std::exp(score - largest);
  const double total = sum;
  return std::log(total) + largest - scores[label];
}

bool is_correct(std::span<const float> scores, std::int64_t label) {
  const std::size_t target = label;
  const float score = scores[target];
  for (std::size_t i = 0; i < scores.size(); ++i) {
    if (i < target ? !(score > scores[i]) : !(score >= scores[i])) return false;  // the form that NaN fails
  }
  return true;
}

StackedCrossEntropy::StackedCrossEntropy(const Activation& scores, const ParameterRows& rows_of, const StackForm& form)
    : scores_(scores),
      library_(form.arithmetic == StackForm::Arithmetic::library),
      active_(scores.clients()),
      sums_(rows_of.losses) {
  const at::TensorOptions floats = scores.value.options();
  const std::int64_t clients = scores.clients(), batch = scores.batch();
  labels = at::zeros({clients, batch}, floats.dtype(at::kLong));
  weights = scores.weights.defined() ? scores.weights : at::zeros({clients, batch}, floats);
  if (!library_) return;
  logarithms_ = at::empty({clients, batch, scores.shape.size()}, floats);
  row_losses_ = at::empty({clients, batch, 1}, floats);
  minus_one_ = at::full({clients, batch, 1}, -1.0, floats);
  step_losses_ = at::empty({clients}, floats);
  use(clients);
}

void StackedCrossEntropy::use(std::int64_t active) {
  active_ = active;
  if (!library_) return;
  const Activation first = scores_.first(active);
  const auto part = [&](const at::Tensor& t) { return t.narrow(0, 0, active); };
  now_ = {.scores = first.value,
          .gradient = first.gradient,
          .logarithms = part(logarithms_),
          .labels = part(labels).unsqueeze(2),
          .weights = part(weights).unsqueeze(2),
          .row_losses = part(row_losses_),
          .minus_one = part(minus_one_),
          .step_losses = part(step_losses_),
          .sums = part(sums_)};
}

void StackedCrossEntropy::run() {
  if (library_) {
    run_library();
  } else {
    run_loops();
  }
}

void StackedCrossEntropy::run_loops() {
  const std::size_t classes = scores_.shape.size();
  const std::int64_t* label = labels.const_data_ptr<std::int64_t>();
  const float* weight = weights.const_data_ptr<float>();
  double* sum = sums_.mutable_data_ptr<double>();
  for (std::int64_t k = 0; k < active_; ++k) {
    const float* scores = scores_.value.const_data_ptr<float>() + k * scores_.value.stride(0);
    float* gradient = scores_.gradient.mutable_data_ptr<float>() + k * scores_.gradient.stride(0);
    for (std::int64_t b = 0; b < scores_.batch(); ++b, scores += classes, gradient += classes, ++label, ++weight) {
      if (*weight == 0) {
        std::fill_n(gradient, classes, 0.0F);
      } else {
        sum[k] += *weight * cross_entropy({scores, classes}, *label, *weight, std::span<float>(gradient, classes));
      }
    }
  }
}

void StackedCrossEntropy::run_library() {
  const at::AutoDispatchBelowADInplaceOrView no_autograd;
  at::_log_softmax_out(now_.logarithms, now_.scores, 2, false);
  at::gather_out(now_.row_losses, now_.logarithms, 2, now_.labels);
  now_.row_losses.mul_(now_.weights);
  at::sum_out(now_.step_losses, now_.row_losses, {1, 2});
  now_.sums.sub_(now_.step_losses);
  at::exp_out(now_.gradient, now_.logarithms);
  now_.gradient.scatter_add_(2, now_.labels, now_.minus_one);
  now_.gradient.mul_(now_.weights);
}

}  // namespace shoal
