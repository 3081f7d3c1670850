#include "sim/task/layers/cross_entropy.hpp"

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
  const auto target = static_cast<std::size_t>(label);
  gradient[target] -= factor;
  return std::log(static_cast<double>(sum)) + static_cast<double>(largest) - static_cast<double>(scores[target]);
}

double cross_entropy(std::span<const float> scores, std::int64_t label) {
  const float largest = *std::max_element(scores.begin(), scores.end());
  float sum = 0;
  for (const float score : scores) sum += std::exp(score - largest);
  return std::log(static_cast<double>(sum)) + static_cast<double>(largest) -
         static_cast<double>(scores[static_cast<std::size_t>(label)]);
}

bool is_correct(std::span<const float> scores, std::int64_t label) {
  const auto target = static_cast<std::size_t>(label);
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
  const std::int64_t clients = scores.clients(), rows = clients * scores.batch();
  labels = at::zeros({clients, scores.batch()}, floats.dtype(at::kLong));
  weights = at::zeros({clients, scores.batch()}, floats);
  if (!library_) return;
  logarithms_ = at::empty({rows, scores.shape.size()}, floats);
  row_losses_ = at::empty({rows, 1}, floats);
  minus_one_ = at::full({rows, 1}, -1.0, floats);
  step_losses_ = at::empty({clients}, floats);
  use(clients);
}

void StackedCrossEntropy::use(std::int64_t active) {
  active_ = active;
  if (!library_) return;
  const std::int64_t rows = active * scores_.batch(), classes = scores_.shape.size();
  const Activation first = scores_.first(active);
  now_ = {.scores = first.value.view({rows, classes}),
          .gradient = first.gradient.view({rows, classes}),
          .logarithms = logarithms_.narrow(0, 0, rows),
          .rows_labels = labels.narrow(0, 0, active).view({rows, 1}),
          .rows_weights = weights.narrow(0, 0, active).view({rows, 1}),
          .row_losses = row_losses_.narrow(0, 0, rows),
          .step_losses = step_losses_.narrow(0, 0, active),
          .sums = sums_.narrow(0, 0, active)};
}

void StackedCrossEntropy::run() {
  if (library_) {
    run_library();
  } else {
    run_loops();
  }
}

void StackedCrossEntropy::run_loops() {
  const auto classes = static_cast<std::size_t>(scores_.shape.size());
  const float* scores = scores_.value.const_data_ptr<float>();
  float* gradient = scores_.gradient.mutable_data_ptr<float>();
  const std::int64_t* label = labels.const_data_ptr<std::int64_t>();
  const float* weight = weights.const_data_ptr<float>();
  double* sum = sums_.mutable_data_ptr<double>();
  for (std::int64_t k = 0; k < active_; ++k) {
    for (std::int64_t b = 0; b < scores_.batch(); ++b, scores += classes, gradient += classes, ++label, ++weight) {
      if (*weight == 0) {
        std::fill_n(gradient, classes, 0.0F);
      } else {
        sum[k] += static_cast<double>(*weight) *
                  cross_entropy({scores, classes}, *label, *weight, std::span<float>(gradient, classes));
      }
    }
  }
}

void StackedCrossEntropy::run_library() {
  const at::AutoDispatchBelowADInplaceOrView no_autograd;
  at::_log_softmax_out(now_.logarithms, now_.scores, 1, false);
  at::gather_out(now_.row_losses, now_.logarithms, 1, now_.rows_labels);
  now_.row_losses.mul_(now_.rows_weights);
  at::sum_out(now_.step_losses, now_.row_losses.view({active_, scores_.batch()}), {1});
  now_.sums.sub_(now_.step_losses);
  at::exp_out(now_.gradient, now_.logarithms);
  now_.gradient.scatter_add_(1, now_.rows_labels, minus_one_.narrow(0, 0, now_.gradient.size(0)));
  now_.gradient.mul_(now_.rows_weights);
}

}  // namespace shoal
