#include "sim/task/stacked_trainer.hpp"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/sub.h>
#include <ATen/ops/zeros.h>

#include <algorithm>
#include <bit>

#include "kernels/vector_ops.hpp"
#include "sim/task/local_batches.hpp"

namespace shoal {
namespace {

constexpr std::int64_t gradient_chunk = 64;  // examples per pass of a full gradient: bounds the buffers
constexpr std::int64_t most_rows = 512;      // examples that the buffers of all batch sizes of a lane hold together

std::span<float> row(const at::Tensor& rows, std::int64_t k) {
  return {rows.mutable_data_ptr<float>() + k * rows.stride(0), static_cast<std::size_t>(rows.size(1))};
}

/// Row k of [K, d], or the only row of [d]; empty where the tensor is undefined.
std::span<const float> row_or_shared(const at::Tensor& tensor, std::int64_t k) {
  if (!tensor.defined()) return {};
  return {tensor.const_data_ptr<float>() + (tensor.dim() == 2 ? k * tensor.size(1) : 0),
          static_cast<std::size_t>(tensor.size(-1))};
}

at::Tensor plain(const at::Tensor& tensor) { return tensor.defined() ? tensor.to(at::kFloat).contiguous() : tensor; }

/// Features of one example as the network wants them: scaled, channels last.
template <class T>
void write_features(const T* from, const Shape& shape, float scale, float offset, float* to) {
  const std::int64_t pixels = shape.height * shape.width;
  if (shape.channels == 1 || pixels == 1) {
    for (std::int64_t i = 0; i < shape.size(); ++i) to[i] = static_cast<float>(from[i]) * scale + offset;
    return;
  }
  for (std::int64_t c = 0; c < shape.channels; ++c) {
    for (std::int64_t i = 0; i < pixels; ++i) {
      to[i * shape.channels + c] = static_cast<float>(from[c * pixels + i]) * scale + offset;
    }
  }
}

double mean_or_zero(double sum, std::int64_t count) { return count > 0 ? sum / static_cast<double>(count) : 0; }

}  // namespace

StackedTrainer::StackedTrainer(const SupervisedTask& task) : task_(task) {}

StackedTrainer::Lane& StackedTrainer::lane(std::int64_t clients) {
  return lanes_.get(clients, 1, [&] {
    return std::make_unique<Lane>(Lane{ParameterRows(clients, task_.layout().size), Recent<StackedNetwork>(most_rows)});
  });
}

StackedNetwork& StackedTrainer::network(Lane& lane, std::int64_t batch) {
  return lane.networks.get(batch, lane.rows.clients() * batch,
                           [&] { return std::make_unique<StackedNetwork>(task_.network(), lane.rows, batch); });
}

void StackedTrainer::gather(StackedNetwork& to, std::size_t k, const Examples& from,
                            std::span<const std::int32_t> positions) const {
  const auto batch = static_cast<std::size_t>(to.batch()), size = static_cast<std::size_t>(from.shape.size());
  const std::span<std::int32_t> labels = to.labels().subspan(k * batch, batch);
  float* features = to.inputs().data() + k * batch * size;
  for (std::size_t i = 0; i < positions.size(); ++i, features += size) {
    const auto position = static_cast<std::size_t>(positions[i]);
    labels[i] = from.labels[position];
    if (from.bytes.empty()) {
      write_features(from.floats.data() + position * size, from.shape, from.scale, from.offset, features);
    } else {
      write_features(from.bytes.data() + position * size, from.shape, from.scale, from.offset, features);
    }
  }
  std::fill(labels.begin() + static_cast<std::ptrdiff_t>(positions.size()), labels.end(), StackedNetwork::masked);
  std::fill(features, features + (batch - positions.size()) * size, 0.0F);
}

void StackedTrainer::open(std::span<const Participation> block, const LocalSettings& local) {
  block_.assign(block.begin(), block.end());
  local_ = local;
  examples_.clear();
  for (const Participation& p : block_) examples_.push_back(task_.holdout().indices(p.client, Split::train));
}

/// One call of `fit`: what its steps need at hand.
struct StackedTrainer::Pass {
  StackedTrainer& trainer;
  Lane& lane;
  const Correction& correction;
  at::Tensor anchor, shift;
  std::vector<LocalBatches> batches{};
  std::vector<std::int64_t> steps{};      // [K], to do
  std::vector<double> factors{}, sums{};  // [K], of the current step

  Pass(StackedTrainer& owner, Lane& on, const Correction& with)
      : trainer(owner),
        lane(on),
        correction(with),
        anchor(with.pull != 0 ? plain(with.anchor) : at::Tensor()),
        shift(plain(with.shift)) {
    ensure(with.pull == 0 || with.anchor.defined(), "a pull of {} without an anchor", with.pull);
    const RandomKey key = random_key(owner.task_.seed(), Purpose::shuffle);
    for (std::size_t k = 0; k < clients(); ++k) {
      const auto count = static_cast<std::int64_t>(owner.examples_[k].size());
      batches.emplace_back(owner.examples_[k], owner.local_.batch, key, owner.block_[k]);
      steps.push_back(count > 0 ? owner.local_.local_steps(count, owner.block_[k].fraction) : 0);
    }
    factors.resize(clients());
    sums.resize(clients());
    if (owner.local_.momentum > 0) {
      if (!lane.momentum.defined()) lane.momentum = at::empty_like(lane.rows.values);
      lane.momentum.zero_();
    }
  }

  std::size_t clients() const { return trainer.block_.size(); }

  /// Only plain SGD on one client: in a block, clients that are done must keep their weights.
  bool in_place() const {
    return clients() == 1 && trainer.local_.momentum == 0 && trainer.local_.weight_decay == 0 && !anchor.defined() &&
           !shift.defined() && !correction.custom;
  }

  /// Rows per client of a stacked batch. It must not depend on neighbours unless the batch is the full one.
  std::int64_t padded_batch() const {
    if (trainer.local_.batch > 0) return trainer.local_.batch;
    std::size_t largest = 1;
    for (const auto& own : trainer.examples_) largest = std::max(largest, own.size());
    return static_cast<std::int64_t>(largest);
  }

  /// Gathers the step's batches into the network that fits them.
  StackedNetwork& load(std::int64_t step) {
    const Examples& from = trainer.task_.train();
    if (clients() == 1) {
      const std::span<const std::int32_t> batch = batches[0].next();
      StackedNetwork& net = trainer.network(lane, static_cast<std::int64_t>(batch.size()));
      trainer.gather(net, 0, from, batch);
      factors[0] = 1 / static_cast<double>(batch.size());
      return net;
    }
    StackedNetwork& net = trainer.network(lane, padded_batch());
    for (std::size_t k = 0; k < clients(); ++k) {
      const std::span<const std::int32_t> batch = step < steps[k] ? batches[k].next() : std::span<const std::int32_t>();
      trainer.gather(net, k, from, batch);
      factors[k] = batch.empty() ? 0 : 1 / static_cast<double>(batch.size());
    }
    return net;
  }

  void change_weights(std::int64_t step) {
    ParameterRows& rows = lane.rows;
    if (correction.custom) {
      at::Tensor gradients = rows.gradients;
      correction.custom(gradients, rows.values);
      if (!gradients.is_same(rows.gradients)) rows.gradients.copy_(gradients);
    }
    for (std::int64_t k = 0; k < rows.clients(); ++k) {
      if (step >= steps[static_cast<std::size_t>(k)]) continue;
      SgdStep<float> sgd{.rate = trainer.local_.rate,
                         .decay = trainer.local_.weight_decay,
                         .pull = correction.pull,
                         .anchor = row_or_shared(anchor, k),
                         .shift = row_or_shared(shift, k),
                         .momentum = trainer.local_.momentum,
                         .buffer = {},
                         .nesterov = trainer.local_.nesterov};
      if (trainer.local_.momentum > 0) sgd.buffer = row(lane.momentum, k);
      sgd_step<float>(row(rows.values, k), row(rows.gradients, k), sgd);
    }
  }
};

LocalResult StackedTrainer::fit(const at::Tensor& start, const Correction& correction) {
  const at::NoGradGuard no_grad;
  Lane& lane = this->lane(static_cast<std::int64_t>(block_.size()));
  lane.rows.values.copy_(start);
  Pass pass(*this, lane, correction);
  LocalResult result{.delta = {}, .loss = std::vector<double>(block_.size()), .steps = pass.steps};

  const bool in_place = pass.in_place();
  const GradientUse use = in_place ? GradientUse::descend(local_.rate) : GradientUse::store();
  const std::int64_t last = pass.steps.empty() ? 0 : std::ranges::max(pass.steps);
  for (std::int64_t step = 0; step < last; ++step) {
    StackedNetwork& net = pass.load(step);
    net.forward();
    std::ranges::fill(pass.sums, 0.0);
    net.loss_and_gradient(pass.factors, pass.sums);
    net.backward(use);
    if (!in_place) pass.change_weights(step);
    for (std::size_t k = 0; k < block_.size(); ++k) result.loss[k] += pass.factors[k] * pass.sums[k];
  }
  for (std::size_t k = 0; k < block_.size(); ++k) result.loss[k] = mean_or_zero(result.loss[k], pass.steps[k]);

  if (!delta_.defined() || delta_.size(0) != lane.rows.clients()) {
    delta_ = at::empty({lane.rows.clients(), task_.layout().size}, at::kFloat);
  }
  at::sub_out(delta_, lane.rows.values, start);
  result.delta = Rows(delta_);
  return result;
}

LocalResult StackedTrainer::gradient(const at::Tensor& params) {
  const at::NoGradGuard no_grad;
  Lane& lane = this->lane(1);
  LocalResult result{
      .delta = {}, .loss = std::vector<double>(block_.size()), .steps = std::vector<std::int64_t>(block_.size(), 1)};
  const auto clients = static_cast<std::int64_t>(block_.size());
  delta_ = at::zeros({clients, task_.layout().size}, at::kFloat);
  for (std::int64_t k = 0; k < clients; ++k) {
    const std::span<const std::int32_t> own = examples_[static_cast<std::size_t>(k)];
    if (own.empty()) continue;
    if (k == 0 || params.dim() == 2) lane.rows.values.copy_(params.dim() == 2 ? params.select(0, k) : params);
    const double factor = 1 / static_cast<double>(own.size());
    double sum = 0;
    for (std::size_t first = 0; first < own.size(); first += gradient_chunk) {
      const auto part = own.subspan(first, std::min<std::size_t>(gradient_chunk, own.size() - first));
      StackedNetwork& net = network(lane, static_cast<std::int64_t>(part.size()));
      gather(net, 0, task_.train(), part);
      net.forward();
      net.loss_and_gradient({&factor, 1}, {&sum, 1});
      net.backward(first == 0 ? GradientUse::store() : GradientUse::add());
    }
    delta_.select(0, k).copy_(lane.rows.gradients.select(0, 0));
    result.loss[static_cast<std::size_t>(k)] = sum * factor;
  }
  result.delta = Rows(delta_);
  return result;
}

Evaluation StackedTrainer::evaluate(const at::Tensor& params, const ExampleChunk& which) {
  const at::NoGradGuard no_grad;
  const SupervisedTask::Chunk chunk = task_.chunk(which);
  lane(1).rows.values.copy_(params);
  return score(chunk.from, chunk.positions, std::ssize(chunk.positions));
}

Evaluation StackedTrainer::evaluate_own(const at::Tensor& params, ClientId client, Split split) {
  const at::NoGradGuard no_grad;
  const std::vector<std::int32_t> positions = task_.holdout().indices(client, split);
  lane(1).rows.values.copy_(params);
  Evaluation total;
  for (std::size_t first = 0; first < positions.size(); first += SupervisedTask::chunk_size) {
    const auto piece = std::span(positions).subspan(
        first, std::min<std::size_t>(SupervisedTask::chunk_size, positions.size() - first));
    // Clients hold every number of examples; powers of two keep the number of networks small.
    const Evaluation part = score(task_.train(), piece, static_cast<std::int64_t>(std::bit_ceil(piece.size())));
    total.examples += part.examples;
    total.correct += part.correct;
    total.loss += part.loss;
  }
  return total;
}

Evaluation StackedTrainer::score(const Examples& from, std::span<const std::int32_t> positions, std::int64_t batch) {
  StackedNetwork& net = network(lane(1), batch);
  gather(net, 0, from, positions);
  net.forward();
  const StackedNetwork::Score score = net.score();
  return {.examples = std::ssize(positions), .correct = score.correct, .loss = Evaluation::to_units(score.loss)};
}

}  // namespace shoal
