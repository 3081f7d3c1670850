#pragma once
// What Shoal is compared with: (a) LibTorch's autograd and (b) explicit tensor operations by hand, both in a bare loop
// over clients without any engine. Synthetic 28 x 28 images, 60 examples a client, one epoch of batch 10.

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <ATen/core/LegacyTypeDispatch.h>
#include <benchmark/benchmark.h>
#include <torch/csrc/autograd/autograd.h>

#include <numeric>

#include "sim/task/model.hpp"
#include "sim/task/supervised.hpp"

namespace shoal::models {
std::unique_ptr<Model> mlp(Settings&);
std::unique_ptr<Model> cnn_fedjax(Settings&);
std::unique_ptr<Model> logistic_regression(Settings&);
}  // namespace shoal::models

namespace shoal::bench {

constexpr std::int64_t clients = 20, per_client = 60, batch = 10, pixels = 784, classes = 10;
constexpr double rate = 0.05;

class EqualShares final : public ClientExamples {
 public:
  std::int64_t clients() const override { return bench::clients; }
  std::int64_t count(ClientId) const override { return per_client; }
  void indices(ClientId client, std::span<std::int32_t> out) const override {
    std::iota(out.begin(), out.end(), static_cast<std::int32_t>(value(client) * per_client));
  }
};

inline std::shared_ptr<Dataset> synthetic_images() {
  auto data = std::make_shared<Dataset>();
  RandomStream random(random_key(1, Purpose::synthetic_data), 0);
  data->train.shape = {1, 28, 28};
  data->train.classes = classes;
  data->train.scale = 1.0F / 255;
  for (std::int64_t i = 0; i < clients * per_client; ++i) {
    data->train.labels.push_back(static_cast<std::int32_t>(random.below(classes)));
    for (std::int64_t j = 0; j < pixels; ++j) data->train.bytes.push_back(static_cast<std::uint8_t>(random.bits()));
  }
  return data;
}

/// What all three forms share: the task and, for the plain ones, the examples as one tensor.
struct Workload {
  explicit Workload(std::unique_ptr<Model> (*make)(Settings&)) {
    at::set_num_threads(1);
    Settings settings;
    const auto data = synthetic_images();
    task = std::make_unique<SupervisedTask>(data, std::make_unique<EqualShares>(),
                                            make(settings)->network({1, 28, 28}, classes), HoldoutShares(), 1);
    start = task->initial_parameters(random_key(1, Purpose::initial_parameters));
    images = at::from_blob(data->train.bytes.data(), {clients * per_client, pixels}, at::kByte).to(at::kFloat) / 255;
    labels = at::from_blob(data->train.labels.data(), {clients * per_client}, at::kInt).to(at::kLong);
  }

  std::vector<at::Tensor> parameters() const {
    std::vector<at::Tensor> out;
    for (const Parameter& p : task->layout().parameters) {
      out.push_back(start.slice(0, p.offset, p.offset + p.size).reshape(p.shape).clone());
    }
    return out;
  }

  std::unique_ptr<SupervisedTask> task;
  at::Tensor start, images, labels;
};

inline void report(benchmark::State& state, const Workload& w, std::int64_t trained = 1) {
  const double flops = w.task->network().flops_per_example() * static_cast<double>(per_client * trained);
  state.counters["flop/s"] = benchmark::Counter(flops, benchmark::Counter::kIsIterationInvariantRate);
  state.counters["clients/s"] =
      benchmark::Counter(static_cast<double>(trained), benchmark::Counter::kIsIterationInvariantRate);
}

// --- (a) and (b): a plain loop over one client's batches ----------------------------------------------------------

/// One client after the other from the same start. `sink` sees each client's change of the parameters, [d].
template <class Step, class Sink>
void plain_clients(benchmark::State& state, const Workload& w, const std::vector<at::Tensor>& parameters,
                   const Step& step, std::int64_t each, const Sink& sink) {
  std::int64_t next = 0;
  const at::Tensor delta = at::empty_like(w.start);
  const auto train = [&] {
    const at::Tensor order = at::randperm(per_client, at::kLong) + (next++ % clients) * per_client;
    const at::NoGradGuard no_grad;
    for (std::size_t i = 0; i < parameters.size(); ++i) {
      const Parameter& p = w.task->layout().parameters[i];
      at::Tensor(parameters[i]).view({-1}).copy_(w.start.slice(0, p.offset, p.offset + p.size));
    }
    for (std::int64_t i = 0; i < per_client; i += batch) {
      const at::Tensor chosen = order.slice(0, i, i + batch);
      step(w.images.index_select(0, chosen), w.labels.index_select(0, chosen));
    }
    for (std::size_t i = 0; i < parameters.size(); ++i) {
      const Parameter& p = w.task->layout().parameters[i];
      delta.slice(0, p.offset, p.offset + p.size).copy_(parameters[i].view({-1}));
    }
    sink(delta.sub_(w.start));
  };
  for (auto _ : state) {
    for (std::int64_t c = 0; c < each; ++c) train();
  }
  report(state, w, each);
}

using Parameters = std::vector<at::Tensor>;

inline at::Tensor dense_scores(const Parameters& p, at::Tensor x) {
  for (std::size_t i = 0; i < p.size(); i += 2) {
    x = at::linear(x, p[i], p[i + 1]);
    if (i + 2 < p.size()) x = at::relu(x);
  }
  return x;
}

inline at::Tensor cnn_scores(const Parameters& p, const at::Tensor& images) {
  at::Tensor x = images.view({-1, 1, 28, 28}).to(at::MemoryFormat::ChannelsLast);
  x = at::relu(at::conv2d(x, p[0], p[1]));
  x = at::max_pool2d(at::relu(at::conv2d(x, p[2], p[3])), 2);
  return dense_scores({p.begin() + 4, p.end()}, x.flatten(1));
}

using Scores = at::Tensor (*)(const Parameters&, at::Tensor);

/// Adds a client's change to a running float sum: what a plain federated loop does with it.
struct RunningSum {
  at::Tensor total;
  void operator()(at::Tensor& delta) const { at::Tensor(total).add_(delta, static_cast<double>(per_client)); }
};

inline void autograd_clients(benchmark::State& state, std::unique_ptr<Model> (*make)(Settings&), Scores scores,
                             std::int64_t each) {
  const Workload w(make);
  Parameters parameters = w.parameters();
  for (at::Tensor& p : parameters) p.requires_grad_();
  const auto step = [&](const at::Tensor& x, const at::Tensor& y) {
    at::Tensor loss;
    {
      const at::AutoGradMode with_grad(true);
      loss = at::cross_entropy_loss(scores(parameters, x), y);
    }
    loss.backward();
    for (at::Tensor& p : parameters) {
      p.add_(p.grad(), -rate);
      p.mutable_grad().reset();
    }
  };
  plain_clients(state, w, parameters, step, each, RunningSum{at::zeros_like(w.start)});
}

/// Dense layers as one would write them by hand for a fixed batch: buffers and transposed views outside the loop.
class DenseLoop {
 public:
  explicit DenseLoop(Parameters parameters) : p_(std::move(parameters)) {
    for (std::size_t i = 0; i < p_.size(); i += 2) {
      transposed_.push_back(p_[i].t());
      outputs_.push_back(at::empty({batch, p_[i].size(0)}));
      gradients_.push_back(at::empty({batch, p_[i].size(0)}));
    }
  }

  /// Forward, backward and the change of the weights; the gradient of `x` goes to `dx` where it is defined.
  void step(const at::Tensor& x, const at::Tensor& y, at::Tensor dx) {
    const std::size_t last = outputs_.size() - 1;
    const auto input = [&](std::size_t i) -> const at::Tensor& { return i == 0 ? x : outputs_[i - 1]; };
    for (std::size_t i = 0; i <= last; ++i) {
      at::addmm_out(outputs_[i], p_[2 * i + 1], input(i), transposed_[i]);
      if (i < last) outputs_[i].relu_();
    }
    at::_softmax_out(gradients_[last], outputs_[last], 1, false);
    gradients_[last].scatter_add_(1, y.unsqueeze(1), minus_one_);
    gradients_[last].div_(static_cast<double>(batch));
    for (std::size_t i = last + 1; i-- > 0;) {
      if (i > 0) at::mm_out(gradients_[i - 1], gradients_[i], p_[2 * i]);
      if (i == 0 && dx.defined()) at::mm_out(dx, gradients_[0], p_[0]);
      p_[2 * i].addmm_(gradients_[i].t(), input(i), 1, -rate);
      p_[2 * i + 1].sub_(gradients_[i].sum(0), rate);
      if (i > 0) at::threshold_backward_out(gradients_[i - 1], gradients_[i - 1], outputs_[i - 1], 0);
    }
  }

 private:
  Parameters p_;
  std::vector<at::Tensor> transposed_, outputs_, gradients_;
  at::Tensor minus_one_ = at::full({batch, 1}, -1.0);
};

inline at::Tensor conv_step(const Parameters& p, std::size_t i, const at::Tensor& d, const at::Tensor& x,
                            bool wants_gradient) {
  auto [dx, dw, db] = at::convolution_backward(d, x, p[i], at::OptionalIntArrayRef(p[i + 1].sizes()), {1, 1}, {0, 0},
                                               {1, 1}, false, {0, 0}, 1, {wants_gradient, true, true});
  at::Tensor(p[i]).sub_(dw, rate);
  at::Tensor(p[i + 1]).sub_(db, rate);
  return dx;
}

/// (b) for dense models.
class DenseByHand {
 public:
  explicit DenseByHand(const Parameters& p) : dense_(p) {}
  void step(const at::Tensor& x, const at::Tensor& y) { dense_.step(x, y, {}); }

 private:
  DenseLoop dense_;
};

/// (b) for the CNN.
class CnnByHand {
 public:
  explicit CnnByHand(const Parameters& p) : p_(p), dense_({p.begin() + 4, p.end()}) {}

  void step(const at::Tensor& images, const at::Tensor& y) {
    const auto conv = [&](const at::Tensor& x, std::size_t i) {
      return at::convolution(x, p_[i], p_[i + 1], {1, 1}, {0, 0}, {1, 1}, false, {0, 0}, 1).relu_();
    };
    const at::Tensor x = images.as_strided({batch, 1, 28, 28}, {pixels, 1, 28, 1});
    const at::Tensor first = conv(x, 0), second = conv(first, 2);
    const auto [pooled, winners] = at::max_pool2d_with_indices(second, 2);
    dense_.step(pooled.flatten(1), y, dpooled_);
    at::Tensor d = dpooled_.view(pooled.sizes()).contiguous(at::MemoryFormat::ChannelsLast);
    d = at::max_pool2d_with_indices_backward(d, second, {2, 2}, {2, 2}, {0, 0}, {1, 1}, false, winners);
    d = conv_step(p_, 2, at::threshold_backward(d, second, 0), first, true);
    conv_step(p_, 0, at::threshold_backward(d, first, 0), x, false);
  }

 private:
  Parameters p_;
  DenseLoop dense_;
  at::Tensor dpooled_ = at::empty({batch, 9216});
};

template <class ByHand>
void explicit_clients(benchmark::State& state, std::unique_ptr<Model> (*make)(Settings&), ByHand*, std::int64_t each) {
  const Workload w(make);
  const Parameters parameters = w.parameters();
  ByHand loop(parameters);
  const auto step = [&](const at::Tensor& x, const at::Tensor& y) {
    const at::AutoDispatchBelowADInplaceOrView no_autograd;
    loop.step(x, y);
  };
  plain_clients(state, w, parameters, step, each, RunningSum{at::zeros_like(w.start)});
}

inline at::Tensor dense_model(const Parameters& p, at::Tensor x) { return dense_scores(p, std::move(x)); }
inline at::Tensor cnn_model(const Parameters& p, at::Tensor x) { return cnn_scores(p, x); }

}  // namespace shoal::bench
