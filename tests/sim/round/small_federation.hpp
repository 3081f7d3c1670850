#pragma once
// A federation that is small enough to compute everything twice: random examples, clients of chosen sizes, and a
// reference that trains one client with LibTorch's autograd and SGD.

#include <ATen/ATen.h>
#include <torch/csrc/autograd/autograd.h>
#include <torch/optim/sgd.h>

#include <functional>
#include <memory>
#include <numeric>
#include <span>
#include <vector>

#include "sim/task/dense_store.hpp"
#include "sim/task/supervised.hpp"

namespace shoal::test {

/// Clients hold consecutive examples.
class Consecutive final : public ClientExamples {
 public:
  explicit Consecutive(std::vector<std::int64_t> sizes) : sizes_(std::move(sizes)) {}
  std::int64_t clients() const override { return std::ssize(sizes_); }
  std::int64_t count(ClientId client) const override { return sizes_[value(client)]; }
  void indices(ClientId client, std::span<std::int32_t> out) const override {
    const std::int32_t first = std::accumulate(sizes_.begin(), sizes_.begin() + value(client), std::int64_t{0});
    std::iota(out.begin(), out.end(), first);
  }

 private:
  std::vector<std::int64_t> sizes_;
};

inline Examples random_examples(Shape shape, std::int64_t classes, std::int64_t count, std::uint64_t seed) {
  Examples out;
  out.form = {.shape = shape, .classes = classes};
  RandomStream random(random_key(seed, "source/synthetic"), 0);
  for (std::int64_t i = 0; i < count; ++i) {
    out.labels.push_back(random.below(classes));
    for (std::int64_t j = 0; j < shape.size(); ++j) out.floats.push_back(random.normal());
  }
  return out;
}

/// The same, rounded to bytes.
inline Examples random_bytes(Shape shape, std::int64_t classes, std::int64_t count, std::uint64_t seed) {
  Examples out = random_examples(shape, classes, count, seed);
  for (const float x : out.floats) out.bytes.push_back(std::abs(x) * 50);
  out.floats.clear();
  out.form.features = Form::Features::bytes;
  out.form.scale = 1.0F / 64;
  out.form.offset = -0.5F;
  return out;
}

/// [count, channels, height, width], as the model sees them.
inline at::Tensor features(const Form& form, std::span<const std::uint8_t> bytes, std::span<const float> floats,
                           const std::vector<std::int32_t>& which) {
  std::vector<float> values;
  for (const std::int32_t i : which) {
    for (std::int64_t j = 0; j < form.shape.size(); ++j) {
      const std::int64_t at = i * form.shape.size() + j;
      values.push_back(bytes.empty() ? floats[at] : bytes[at]);
    }
  }
  const std::int64_t count = std::ssize(which);
  return at::tensor(values).view({count, form.shape.channels, form.shape.height, form.shape.width}) * form.scale +
         form.offset;
}

inline at::Tensor features(const Examples& from, const std::vector<std::int32_t>& which) {
  return features(from.form, from.bytes, from.floats, which);
}

inline at::Tensor features(const ExampleStore& from, const std::vector<std::int32_t>& which) {
  const auto& dense = dynamic_cast<const DenseStore&>(from);
  return features(dense.form(), dense.bytes(), dense.floats(), which);
}

inline at::Tensor labels(std::span<const std::int32_t> from, const std::vector<std::int32_t>& which) {
  std::vector<std::int64_t> out;
  for (const std::int32_t i : which) out.push_back(from[i]);
  return at::tensor(out, at::kLong);
}

inline at::Tensor labels(const Examples& from, const std::vector<std::int32_t>& which) {
  return labels(std::span(from.labels), which);
}

inline at::Tensor labels(const ExampleStore& from, const std::vector<std::int32_t>& which) {
  return labels(from.labels(), which);
}

using Parameters = std::vector<at::Tensor>;
using Scores = std::function<at::Tensor(const Parameters&, const at::Tensor&)>;

/// Leaf copies of the named parameters in a flat vector.
inline Parameters leaves(const ParameterLayout& layout, const at::Tensor& flat) {
  Parameters out;
  for (const Parameter& p : layout.parameters) {
    out.push_back(flat.slice(0, p.offset, p.offset + p.size).reshape(p.shape).clone().requires_grad_());
  }
  return out;
}

inline at::Tensor flat(const Parameters& parameters) {
  std::vector<at::Tensor> out;
  for (const at::Tensor& p : parameters) out.push_back(p.detach().reshape({-1}));
  return at::cat(out);
}

inline at::Tensor dense_scores(const Parameters& p, std::size_t first, at::Tensor x) {
  x = x.flatten(1);
  for (std::size_t i = first; i < p.size(); i += 2) {
    x = at::linear(x, p[i], p[i + 1]);
    if (i + 2 < p.size()) x = at::relu(x);
  }
  return x;
}

/// Largest difference over the largest magnitude of the reference.
inline double distance(const at::Tensor& a, const at::Tensor& reference) {
  const double scale = reference.abs().max().item<double>();
  return (a - reference).abs().max().item<double>() / (scale > 0 ? scale : 1);
}

struct ReferenceFit {
  at::Tensor delta;
  double loss = 0;
  std::int64_t steps = 0;
};

/// One client's local training without the engine: autograd, torch::optim::SGD and a loop over batches of its own.
inline ReferenceFit reference_fit(const SupervisedTask& task, const Scores& scores, const Participation& who,
                                  const LocalSettings& local, const at::Tensor& start, const Correction& correction) {
  std::vector<std::int32_t> own = task.holdout().indices(who.client, "train");
  const std::int64_t count = std::ssize(own);
  const std::int64_t batch = local.batch == 0 ? count : std::min(local.batch, count);
  RandomStream random(random_key(task.seed(), "task/shuffle"), value(who.client), value(who.id));
  Parameters parameters = leaves(task.layout(), start);
  torch::optim::SGD sgd(parameters, torch::optim::SGDOptions(local.rate)
                                        .momentum(local.momentum)
                                        .nesterov(local.nesterov)
                                        .weight_decay(local.weight_decay));
  ReferenceFit out;
  out.steps = local.local_steps(count, who.fraction);
  std::int64_t at = count;
  for (std::int64_t step = 0; step < out.steps; ++step) {
    if (at == count) {
      at = 0;
      if (batch < count) shuffle(std::span(own), random);
    }
    const std::int64_t last = std::min(at + batch, count);
    const std::vector<std::int32_t> chosen(own.begin() + at, own.begin() + last);
    at = last;
    sgd.zero_grad();
    const at::Tensor loss =
        at::cross_entropy_loss(scores(parameters, features(task.train(), chosen)), labels(task.train(), chosen));
    loss.backward();
    out.loss += loss.item<double>() / out.steps;

    const at::NoGradGuard no_grad;
    Parameters gradients;
    for (const at::Tensor& p : parameters) gradients.push_back(p.grad());
    const at::Tensor y = flat(parameters);
    at::Tensor g = flat(gradients);
    if (correction.pull != 0) g = g + correction.pull * (y - correction.anchor);
    if (correction.shift.defined()) g = g + correction.shift;
    for (std::size_t i = 0; i < parameters.size(); ++i) {
      const Parameter& p = task.layout().parameters[i];
      parameters[i].mutable_grad().copy_(g.slice(0, p.offset, p.offset + p.size).view(p.shape));
    }
    sgd.step();
  }
  out.delta = flat(parameters) - start;
  return out;
}

inline Participation participation(std::int64_t client, std::int64_t id, double fraction = 1) {
  Participation who;
  who.id = ParticipationId{id};
  who.client = ClientId{client};
  who.fraction = fraction;
  return who;
}

}  // namespace shoal::test
