#include "sim/task/task.hpp"

#include <ATen/ops/full.h>

#include <limits>

#include "sim/nn/layers/cross_entropy.hpp"

namespace shoal {
namespace {

// Calls use(example, scores, label) for each target of client k that counts. Tensors are on the host, contiguous.
void for_each_target(const at::Tensor& scores, const at::Tensor& targets, std::int64_t k, std::int64_t examples,
                     const auto& use) {
  const std::int64_t per_example = targets.dim() == 3 ? targets.size(2) : 1;
  const std::size_t classes = scores.size(-1);
  const std::int64_t* label = targets.select(0, k).const_data_ptr<std::int64_t>();
  const float* row = scores.select(0, k).const_data_ptr<float>();
  for (std::int64_t i = 0; i < examples * per_example; ++i, ++label, row += classes) {
    if (*label >= 0) use(i / per_example, std::span<const float>(row, classes), *label);
  }
}

}  // namespace

at::Tensor ExampleOutputs::losses() const {
  const at::Tensor on_host = scores.cpu().contiguous(), labels = targets.cpu().contiguous();
  const std::int64_t clients = labels.size(0), most = labels.size(1);
  at::Tensor losses = at::full({clients, most}, std::numeric_limits<double>::quiet_NaN(), at::kDouble);
  for (std::int64_t k = 0; k < clients; ++k) {
    double* to = losses.select(0, k).mutable_data_ptr<double>();
    std::vector<double> sums(counts[k]);
    std::vector<std::int64_t> counted(counts[k]);
    for_each_target(on_host, labels, k, counts[k], [&](std::int64_t i, std::span<const float> row, std::int64_t label) {
      sums[i] += cross_entropy(row, label);
      ++counted[i];
    });
    for (std::int64_t i = 0; i < counts[k]; ++i) {
      if (counted[i] > 0) to[i] = sums[i] / counted[i];
    }
  }
  return losses;
}

Evaluation ExampleOutputs::evaluation(std::int64_t k) const {
  const at::Tensor on_host = scores.cpu().contiguous(), labels = targets.cpu().contiguous();
  Evaluation total;
  double loss = 0;
  for_each_target(on_host, labels, k, counts[k], [&](std::int64_t, std::span<const float> row, std::int64_t label) {
    loss += cross_entropy(row, label);
    total.correct += is_correct(row, label) ? 1 : 0;
    ++total.examples;
  });
  total.loss = Evaluation::to_units(loss);
  return total;
}

}  // namespace shoal
