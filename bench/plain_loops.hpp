#pragma once
// The loops that Shoal is compared with: (a) LibTorch's autograd and (b) explicit tensor operations by hand, both in a
// bare loop over clients without any engine, on the same clients' examples in the same batches.

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <ATen/core/LegacyTypeDispatch.h>
#include <torch/csrc/autograd/autograd.h>

#include "bench/workload.hpp"
#include "sim/task/local_batches.hpp"

namespace shoal::models {
std::unique_ptr<Model> mlp(Settings&);
std::unique_ptr<Model> cnn_fedjax(Settings&);
std::unique_ptr<Model> logistic_regression(Settings&);
}  // namespace shoal::models

namespace shoal::bench {

constexpr std::int64_t batch = 10;

using Parameters = std::vector<at::Tensor>;

/// A workload with what plain loops need in addition: the examples as one tensor, and tensors to train.
struct PlainWorkload : Workload {
  using Workload::Workload;

  Parameters parameters() const {
    Parameters out;
    for (const Parameter& p : task->layout().parameters) {
      out.push_back(start.slice(0, p.offset, p.offset + p.size).reshape(p.shape).clone());
    }
    return out;
  }

  /// The batches of one epoch of a client, shuffled as Shoal shuffles them.
  LocalBatches batches(std::int64_t participation) const {
    Participation who;
    who.id = ParticipationId{participation};
    who.client = ClientId{participation % clients};
    return {task->holdout().indices(who.client, "train"), batch, random_key(task->seed(), "task/shuffle"), who};
  }

  float rate() const { return local.rate; }

  at::Tensor images =
      at::from_blob(const_cast<std::uint8_t*>(dynamic_cast<const DenseStore&>(task->train()).bytes().data()),
                    {clients * per_client, pixels}, at::kByte)
          .to(at::kFloat)
          .div_(255);
  at::Tensor labels =
      at::from_blob(const_cast<std::int32_t*>(task->train().labels().data()), {clients * per_client}, at::kInt)
          .to(at::kLong);
};

// --- (a) and (b): a plain loop over one client's batches ----------------------------------------------------------

/// Trains one client after the other from the same start. `sink` receives each client's change of the parameters, [d].
template <class Step, class Sink>
void plain_clients(benchmark::State& state, const PlainWorkload& w, const Parameters& parameters, const Step& step,
                   std::int64_t each, const Sink& sink) {
  std::int64_t next = 0;
  const at::Tensor delta = at::empty_like(w.start);
  const auto train = [&] {
    LocalBatches batches = w.batches(next++);
    const at::NoGradGuard no_grad;
    for (std::size_t i = 0; i < parameters.size(); ++i) {
      const Parameter& p = w.task->layout().parameters[i];
      at::Tensor(parameters[i]).view({-1}).copy_(w.start.slice(0, p.offset, p.offset + p.size));
    }
    for (std::int64_t i = 0; i < per_client; i += batch) {
      const std::span<const std::int32_t> positions = batches.next();
      const at::Tensor chosen = at::from_blob(const_cast<std::int32_t*>(positions.data()), {batch}, at::kInt);
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

/// Adds a client's change to a running float sum, as a plain federated loop does.
struct RunningSum {
  at::Tensor total;
  void operator()(at::Tensor& delta) const { at::Tensor(total).add_(delta, per_client); }
};

inline void autograd_clients(benchmark::State& state, const char* file, std::unique_ptr<Model> (*make)(Settings&),
                             Scores scores, std::int64_t each, const char* widths = nullptr) {
  const PlainWorkload w(file, make, widths);
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
      p.add_(p.grad(), -w.rate());
      p.mutable_grad().reset();
    }
  };
  plain_clients(state, w, parameters, step, each, RunningSum{at::zeros_like(w.start)});
}

/// Dense layers as one would write them by hand for a fixed batch: buffers and transposed views outside the loop.
class DenseLoop {
 public:
  DenseLoop(Parameters parameters, float rate) : p_(std::move(parameters)), rate_(rate) {
    for (std::size_t i = 0; i < p_.size(); i += 2) {
      transposed_.push_back(p_[i].t());
      outputs_.push_back(at::empty({batch, p_[i].size(0)}));
      gradients_.push_back(at::empty({batch, p_[i].size(0)}));
    }
  }

  /// Forward, backward and the change of the weights; the gradient of `x` goes to `dx` if that is defined.
  void step(const at::Tensor& x, const at::Tensor& y, at::Tensor dx) {
    const std::size_t last = outputs_.size() - 1;
    const auto input = [&](std::size_t i) -> const at::Tensor& { return i == 0 ? x : outputs_[i - 1]; };
    for (std::size_t i = 0; i <= last; ++i) {
      at::addmm_out(outputs_[i], p_[2 * i + 1], input(i), transposed_[i]);
      if (i < last) outputs_[i].relu_();
    }
    at::_softmax_out(gradients_[last], outputs_[last], 1, false);
    gradients_[last].scatter_add_(1, y.unsqueeze(1), minus_one_);
    gradients_[last].div_(batch);
    for (std::size_t i = last + 1; i-- > 0;) {
      if (i > 0) at::mm_out(gradients_[i - 1], gradients_[i], p_[2 * i]);
      if (i == 0 && dx.defined()) at::mm_out(dx, gradients_[0], p_[0]);
      p_[2 * i].addmm_(gradients_[i].t(), input(i), 1, -rate_);
      p_[2 * i + 1].sub_(gradients_[i].sum(0), rate_);
      if (i > 0) at::threshold_backward_out(gradients_[i - 1], gradients_[i - 1], outputs_[i - 1], 0);
    }
  }

 private:
  Parameters p_;
  float rate_;
  std::vector<at::Tensor> transposed_, outputs_, gradients_;
  at::Tensor minus_one_ = at::full({batch, 1}, -1.0);
};

inline at::Tensor conv_step(const Parameters& p, std::size_t i, const at::Tensor& d, const at::Tensor& x, float rate,
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
  DenseByHand(const Parameters& p, float rate) : dense_(p, rate) {}
  void step(const at::Tensor& x, const at::Tensor& y) { dense_.step(x, y, {}); }

 private:
  DenseLoop dense_;
};

/// (b) for the CNN.
class CnnByHand {
 public:
  CnnByHand(const Parameters& p, float rate) : p_(p), rate_(rate), dense_({p.begin() + 4, p.end()}, rate) {}

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
    d = conv_step(p_, 2, at::threshold_backward(d, second, 0), first, rate_, true);
    conv_step(p_, 0, at::threshold_backward(d, first, 0), x, rate_, false);
  }

 private:
  Parameters p_;
  float rate_;
  DenseLoop dense_;
  at::Tensor dpooled_ = at::empty({batch, 9216});
};

template <class ByHand>
void explicit_clients(benchmark::State& state, const char* file, std::unique_ptr<Model> (*make)(Settings&), ByHand*,
                      std::int64_t each) {
  const PlainWorkload w(file, make);
  const Parameters parameters = w.parameters();
  ByHand loop(parameters, w.rate());
  const auto step = [&](const at::Tensor& x, const at::Tensor& y) {
    const at::AutoDispatchBelowADInplaceOrView no_autograd;
    loop.step(x, y);
  };
  plain_clients(state, w, parameters, step, each, RunningSum{at::zeros_like(w.start)});
}

inline at::Tensor dense_model(const Parameters& p, at::Tensor x) { return dense_scores(p, std::move(x)); }
inline at::Tensor cnn_model(const Parameters& p, at::Tensor x) { return cnn_scores(p, x); }

}  // namespace shoal::bench
