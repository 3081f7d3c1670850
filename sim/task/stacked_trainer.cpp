#include "sim/task/stacked_trainer.hpp"

#include <ATen/core/LegacyTypeDispatch.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/full.h>
#include <ATen/ops/sub.h>
#include <ATen/ops/zeros.h>
#include <ATen/ops/zeros_like.h>

#include <algorithm>
#include <bit>
#include <numeric>

#include "sim/task/local_batches.hpp"
#include "sim/task/local_step.hpp"

namespace shoal {
namespace {

constexpr std::int64_t gradient_chunk = 64;  // examples per pass of a full gradient: bounds the buffers
constexpr std::int64_t most_rows = 512;      // examples that the buffers of all batch sizes of a lane hold together

double mean_or_zero(double sum, std::int64_t count) { return count > 0 ? sum / count : 0; }

}  // namespace

StackedTrainer::StackedTrainer(const SupervisedTask& task, Workplace place)
    : task_(task), place_(place), feed_(place.device, place.arithmetic, task.transforms(), task.clients()) {}

StackedTrainer::Lane& StackedTrainer::lane(std::int64_t clients, BlockForm form) {
  const bool grouped = form == BlockForm::grouped && clients > 1;
  return lanes_.get(2 * clients + (grouped ? 1 : 0), 1, [&] {
    const StackForm how{place_.arithmetic, grouped ? StackForm::Convolution::grouped : StackForm::Convolution::each};
    std::unique_ptr<Worker> worker;
    if (task_.model().network() == nullptr) worker = task_.model().worker(clients, place_.device);
    const ParameterRows rows = worker ? worker->rows() : ParameterRows(clients, task_.layout().size, place_.device);
    return std::make_unique<Lane>(Lane{how, std::move(worker), rows, Recent<FedNetwork>(most_rows)});
  });
}

StackedTrainer::FedNetwork& StackedTrainer::network(Lane& lane, std::int64_t batch, std::int64_t length) {
  return lane.networks.get((length << 32) + batch, lane.rows.clients() * batch, [&] {
    if (lane.worker) return std::make_unique<FedNetwork>(task_.model(), *lane.worker, batch, lane.form, length);
    return std::make_unique<FedNetwork>(*task_.model().network(), lane.rows, batch, lane.form);
  });
}

std::int64_t StackedTrainer::length_of(const Lane& lane, const ExampleStore& from,
                                       std::span<const std::int32_t> positions) const {
  if (from.form().features != Form::Features::tokens) return 1;
  return lane.rows.clients() == 1 ? std::max<std::int64_t>(1, from.longest(positions)) : from.form().longest;
}

void StackedTrainer::open(std::span<const Participation> block, const LocalSettings& local) {
  block_.assign(block.begin(), block.end());
  local_ = local;
  examples_.clear();
  for (const Participation& p : block_) examples_.push_back(task_.holdout().indices(p.client, "train"));
}

std::int64_t StackedTrainer::padded_batch() const {
  if (local_.batch > 0) return local_.batch;
  std::size_t largest = 1;
  for (const auto& own : examples_) largest = std::max(largest, own.size());
  return largest;
}

at::Tensor StackedTrainer::changes() {
  const std::int64_t clients = std::ssize(block_);
  if (!changes_.defined() || changes_.size(0) < clients) {
    changes_ = at::empty({clients, task_.layout().size}, at::TensorOptions(at::kFloat).device(place_.device));
  }
  return changes_.narrow(0, 0, clients);
}

LocalResult StackedTrainer::fit(const at::Tensor& start, const Correction& correction) {
  const at::NoGradGuard no_grad;
  LocalResult result{.figures = std::vector<ClientFigures>(block_.size())};
  for (std::size_t k = 0; k < block_.size(); ++k) {
    const std::int64_t count = std::ssize(examples_[k]);
    result.figures[k].steps = count > 0 ? local_.local_steps(count, block_[k].fraction) : 0;
  }
  std::vector<std::int64_t> order(block_.size());
  std::iota(order.begin(), order.end(), 0);
  const at::Tensor from = start.to(place_.device);
  if (local_.form == BlockForm::in_turn && !correction.custom) {
    for (const std::int64_t& k : order) train(lane(1), {&k, 1}, from, correction, result);
  } else {
    std::ranges::stable_sort(order, std::greater<>{}, [&](std::int64_t k) { return result.figures[k].steps; });
    train(lane(std::ssize(block_), local_.form), order, from, correction, result);
  }
  result.delta = Rows(changes());
  return result;
}

void StackedTrainer::train(Lane& lane, std::span<const std::int64_t> order, const at::Tensor& start,
                           const Correction& correction, LocalResult& result) {
  ParameterRows& rows = lane.rows;
  const RandomKey key = random_key(task_.seed(), "task/shuffle");
  const auto steps = [&](std::size_t slot) { return result.figures[order[slot]].steps; };
  std::vector<LocalBatches> batches;
  batches.reserve(order.size());
  for (std::size_t slot = 0; slot < order.size(); ++slot) {
    const std::size_t k = order[slot];
    const at::AutoDispatchBelowADInplaceOrView no_autograd;
    batches.emplace_back(examples_[k], local_.batch, key, block_[k]);
    rows.values.select(0, slot).copy_(row_or_shared(start, order[slot]));
  }
  if (local_.momentum > 0 && !lane.momentum.defined()) lane.momentum = at::empty_like(rows.values);
  LocalStep step(rows, local_.momentum > 0 ? lane.momentum : at::Tensor(), local_, correction, order, place_.arithmetic,
                 task_.layout());

  rows.losses.zero_();
  std::vector<ClientBatch> loaded(order.size());
  std::size_t active = order.size();
  for (std::int64_t s = 0;; ++s) {
    while (active > 0 && steps(active - 1) <= s) --active;
    if (active == 0) break;
    for (std::size_t slot = 0; slot < active; ++slot) {
      const std::span<const std::int32_t> batch = batches[slot].next();
      loaded[slot] = {batch, weight_of_each(batch), &block_[order[slot]], s};
    }
    // A client alone needs no padding.
    auto& [net, inputs] = network(lane, order.size() == 1 ? std::ssize(loaded[0].positions) : padded_batch(),
                                  length_of(lane, task_.train(), loaded[0].positions));
    feed_.load(inputs, task_.train(), std::span(loaded).first(active));
    step.run(net, active);
  }

  const at::AutoDispatchBelowADInplaceOrView no_autograd;
  const at::Tensor losses = rows.losses.cpu(), to = changes();
  for (std::size_t slot = 0; slot < order.size(); ++slot) {
    const std::int64_t k = order[slot];
    result.figures[k].loss = mean_or_zero(losses.const_data_ptr<double>()[slot], steps(slot));
    at::Tensor change = to.select(0, k);
    at::sub_out(change, rows.values.select(0, slot), row_or_shared(start, k));
  }
}

LocalResult StackedTrainer::gradient(const at::Tensor& params) {
  const at::NoGradGuard no_grad;
  Lane& lane = this->lane(1);
  LocalResult result{.figures = std::vector<ClientFigures>(block_.size(), {.steps = 1})};
  const at::Tensor to = changes().zero_();
  if (params.dim() == 1) lane.rows.values.copy_(params);
  for (std::int64_t k = 0; k < std::ssize(block_); ++k) {
    const std::span<const std::int32_t> own = examples_[k];
    if (own.empty()) continue;
    if (params.dim() == 2) lane.rows.values.copy_(params.select(0, k));
    differentiate(own, weight_of_each(own), &block_[k]);
    to.select(0, k).copy_(lane.rows.gradients.select(0, 0));
    result.figures[k].loss = lane.rows.losses.cpu().const_data_ptr<double>()[0];
  }
  result.delta = Rows(to);
  return result;
}

void StackedTrainer::differentiate(std::span<const std::int32_t> positions, double weight, const Participation* who) {
  Lane& alone = lane(1);
  alone.rows.losses.zero_();
  for (std::size_t first = 0; first < positions.size(); first += gradient_chunk) {
    const auto part = positions.subspan(first, std::min<std::size_t>(gradient_chunk, positions.size() - first));
    auto& [net, inputs] = network(alone, std::ssize(part), length_of(alone, task_.train(), part));
    const ClientBatch batch{part, weight, who};
    feed_.load(inputs, task_.train(), {&batch, 1});
    net.forward();
    net.loss_and_gradient();
    net.backward(first == 0 ? GradientUse::store() : GradientUse::add());
  }
}

Evaluation StackedTrainer::evaluate(const at::Tensor& params, const ExampleChunk& which) {
  const at::NoGradGuard no_grad;
  const SupervisedTask::Chunk chunk = task_.chunk(which);
  lane(1).rows.values.copy_(params);
  return score(chunk.from, chunk.positions, std::ssize(chunk.positions), chunk.change);
}

Evaluation StackedTrainer::evaluate_own(const at::Tensor& params, ClientId client, std::string_view set) {
  const at::NoGradGuard no_grad;
  const std::vector<std::int32_t> positions = task_.holdout().indices(client, set);
  lane(1).rows.values.copy_(params);
  Evaluation total;
  for (std::size_t first = 0; first < positions.size(); first += SupervisedTask::chunk_size) {
    const auto piece = std::span(positions).subspan(
        first, std::min<std::size_t>(SupervisedTask::chunk_size, positions.size() - first));
    // Clients hold any number of examples; powers of two keep the number of networks small.
    const Evaluation part = score(task_.train(), piece, std::bit_ceil(piece.size()));
    total.examples += part.examples;
    total.correct += part.correct;
    total.loss += part.loss;
  }
  return total;
}

ExampleOutputs StackedTrainer::outputs_own(const at::Tensor& params, ClientId client, std::string_view set) {
  const at::NoGradGuard no_grad;
  lane(1).rows.values.copy_(params);
  return outputs(task_.holdout().indices(client, set));
}

ExampleOutputs StackedTrainer::server_outputs(const at::Tensor& params, std::span<const std::int32_t> positions) {
  const at::NoGradGuard no_grad;
  lane(1).rows.values.copy_(params);
  return outputs(task_.server_examples(positions));
}

SummedGradient StackedTrainer::server_gradient(const at::Tensor& params, std::span<const std::int32_t> positions) {
  const at::NoGradGuard no_grad;
  const std::vector<std::int32_t> examples = task_.server_examples(positions);
  if (examples.empty()) return {.gradient = at::zeros_like(params)};
  Lane& alone = lane(1);
  alone.rows.values.copy_(params);
  differentiate(examples, 1, nullptr);
  at::Tensor gradient = alone.rows.gradients.select(0, 0).clone();
  for (const Range& buffer : task_.layout().ranges(Role::buffer)) gradient.narrow(0, buffer.first, buffer.size).zero_();
  return {.gradient = gradient, .targets = task_.train().targets(examples)};
}

ExampleOutputs StackedTrainer::outputs(std::span<const std::int32_t> positions) {
  Lane& alone = lane(1);
  const Form& form = task_.train().form();
  const std::int64_t count = std::ssize(positions);
  const bool tokens = form.targets == Form::Targets::tokens;
  std::vector<std::int64_t> shape{1, count};
  if (tokens) shape.push_back(form.longest);
  const at::TensorOptions floats = alone.rows.values.options();
  ExampleOutputs all;
  all.counts = {count};
  all.targets = at::full(shape, -1, floats.dtype(at::kLong));
  shape.push_back(score_count(task_.model().form()));
  all.scores = at::zeros(shape, floats);
  for (std::int64_t first = 0; first < count; first += SupervisedTask::chunk_size) {
    const std::int64_t rows = std::min(SupervisedTask::chunk_size, count - first);
    const auto piece = positions.subspan(first, rows);
    // As in evaluate_own, so that outputs have the bits of evaluations.
    const std::int64_t length = length_of(alone, task_.train(), piece);
    auto& [net, inputs] = network(alone, std::bit_ceil(piece.size()), length);
    const ClientBatch examples{piece, 1};
    feed_.load(inputs, task_.train(), {&examples, 1});
    net.evaluate();
    const Outputs seen = net.outputs();
    const auto part = [&](const at::Tensor& of) {
      const at::Tensor own = of.narrow(1, first, rows);
      return tokens ? own.narrow(2, 0, length) : own;
    };
    at::Tensor targets = part(all.targets);
    targets.copy_(net.labels().narrow(1, 0, rows));
    if (tokens) targets.masked_fill_(inputs.clients[0].mask.narrow(0, 0, rows).eq(0), -1);
    part(all.scores).copy_(seen.scores.narrow(1, 0, rows));
    if (!seen.features.defined()) continue;
    if (!all.features.defined()) all.features = at::zeros({1, count, seen.features.size(2)}, floats);
    all.features.narrow(1, first, rows).copy_(seen.features.narrow(1, 0, rows));
  }
  return all;
}

Evaluation StackedTrainer::score(const ExampleStore& from, std::span<const std::int32_t> positions, std::int64_t batch,
                                 const KeyedTransform* change) {
  Lane& alone = lane(1);
  auto& [net, inputs] = network(alone, batch, length_of(alone, from, positions));
  const ClientBatch examples{positions, 1};
  if (change == nullptr) {
    feed_.load(inputs, from, {&examples, 1});
  } else {
    feed_.load_changed(inputs, from, examples, *change);
  }
  net.evaluate();
  const StackedNetwork::Score score = net.score();
  return {.examples = from.targets(positions), .correct = score.correct, .loss = Evaluation::to_units(score.loss)};
}

}  // namespace shoal
