#pragma once
// Local steps without the engine: batches drawn by a loop of their own, gradients by plain autograd.

#include <functional>
#include <vector>

#include "tests/sim/round/small_federation.hpp"

namespace shoal::test {

using Batches = std::vector<std::vector<std::int32_t>>;

/// The batches of a participation's first `steps` steps, shuffled anew in each epoch.
inline Batches batches_of(const SupervisedTask& task, const Participation& who, const LocalSettings& local,
                          std::int64_t steps, std::string_view purpose = "task/shuffle") {
  std::vector<std::int32_t> own = task.holdout().indices(who.client, "train");
  const std::int64_t count = std::ssize(own), batch = local.batch == 0 ? count : std::min(local.batch, count);
  RandomStream random(random_key(task.seed(), purpose), value(who.client), value(who.id));
  Batches out;
  while (std::ssize(out) < steps) {
    if (batch < count) shuffle(std::span(own), random);
    for (std::int64_t first = 0; first < count; first += batch) {
      out.emplace_back(own.begin() + first, own.begin() + std::min(first + batch, count));
    }
  }
  return out;
}

/// The loss of a batch, from leaves, features [b, channels, height, width] and labels [b].
using PlainLoss = std::function<at::Tensor(const Parameters&, const at::Tensor& x, const at::Tensor& labels)>;

struct PlainGradient {
  at::Tensor gradient;  // [d]
  double loss = 0;
};

inline PlainGradient plain_gradient(const SupervisedTask& task, const at::Tensor& at,
                                    const std::vector<std::int32_t>& batch, const PlainLoss& loss) {
  const Parameters parameters = leaves(task.layout(), at);
  const at::Tensor value = loss(parameters, features(task.train(), batch), labels(task.train(), batch));
  value.backward();
  Parameters gradients;
  for (const at::Tensor& p : parameters) gradients.push_back(p.grad().defined() ? p.grad() : at::zeros_like(p));
  return {flat(gradients), value.item<double>()};
}

}  // namespace shoal::test
