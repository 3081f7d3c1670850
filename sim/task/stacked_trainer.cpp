#include "sim/task/stacked_trainer.hpp"

#include <ATen/core/LegacyTypeDispatch.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/sub.h>

#include <algorithm>
#include <bit>
#include <numeric>

#include "sim/task/local_batches.hpp"
#include "sim/task/local_step.hpp"

namespace shoal {
namespace {

constexpr std::int64_t gradient_chunk = 64;  // examples per pass of a full gradient: bounds the buffers
constexpr std::int64_t most_lanes = 4;       // for each variant
constexpr std::int64_t most_rows = 512;      // examples that the buffers of all batch sizes of a lane hold together

double mean_or_zero(double sum, std::int64_t count) { return count > 0 ? sum / count : 0; }

}  // namespace

StackedTrainer::StackedTrainer(const SupervisedTask& task, Workplace place)
    : task_(task),
      place_(place),
      feed_(place.device, place.arithmetic, task.transforms(), task.clients()),
      lanes_(most_lanes * task.variants()) {}

StackedTrainer::Lane& StackedTrainer::lane(std::int32_t variant, std::int64_t clients, BlockForm form) {
  const bool grouped = form == BlockForm::grouped && clients > 1;
  const std::int64_t key = 2 * (clients * task_.variants() + variant) + (grouped ? 1 : 0);
  return lanes_.get(key, 1, [&] {
    const Learnable& model = task_.model(variant);
    const StackForm how{place_.arithmetic, grouped ? StackForm::Convolution::grouped : StackForm::Convolution::each};
    std::unique_ptr<Worker> worker;
    if (model.network() == nullptr) worker = model.worker(clients, place_.device);
    const ParameterRows rows = worker ? worker->rows() : ParameterRows(clients, model.layout().size, place_.device);
    return std::make_unique<Lane>(Lane{model, how, std::move(worker), rows, Recent<FedNetwork>(most_rows)});
  });
}

StackedTrainer::FedNetwork& StackedTrainer::network(Lane& lane, std::int64_t batch, std::int64_t length) {
  return lane.networks.get((length << 32) + batch, lane.rows.clients() * batch, [&] {
    if (lane.worker) return std::make_unique<FedNetwork>(lane.model, *lane.worker, batch, lane.form, length);
    return std::make_unique<FedNetwork>(*lane.model.network(), lane.rows, batch, lane.form);
  });
}

std::int64_t StackedTrainer::length_of(const Lane& lane, const ExampleStore& from,
                                       std::span<const std::int32_t> positions) const {
  if (from.form().features != Form::Features::tokens) return 1;
  return lane.rows.clients() == 1 ? std::max<std::int64_t>(1, from.longest(positions)) : from.form().longest;
}

void StackedTrainer::open(std::span<const Participation> block, const LocalSettings& local) {
  block_.assign(block.begin(), block.end());
  variant_ = block.empty() ? 0 : block.front().variant;
  local_ = local;
  examples_.clear();
  for (const Participation& p : block_) {
    ensure(p.variant == variant_, "a block of the variants {} and {}", variant_, p.variant);
    examples_.push_back(task_.holdout().indices(p.client, "train"));
  }
}

std::int64_t StackedTrainer::padded_batch() const {
  if (local_.batch > 0) return local_.batch;
  std::size_t largest = 1;
  for (const auto& own : examples_) largest = std::max(largest, own.size());
  return largest;
}

at::Tensor StackedTrainer::changes() {
  const std::int64_t clients = std::ssize(block_), size = task_.layout(variant_).size;
  if (!changes_.defined() || changes_.numel() < clients * size) {
    changes_ = at::empty({clients * size}, at::TensorOptions(at::kFloat).device(place_.device));
  }
  return changes_.narrow(0, 0, clients * size).view({clients, size});
}

LocalResult StackedTrainer::fit(const at::Tensor& start, const Correction& correction) {
  const at::NoGradGuard no_grad;
  const std::int64_t size = task_.layout(variant_).size;
  ensure(start.size(-1) == size, "{} parameters for a variant of {}", start.size(-1), size);
  LocalResult result{.figures = std::vector<ClientFigures>(block_.size())};
  for (std::size_t k = 0; k < block_.size(); ++k) {
    const std::int64_t count = std::ssize(examples_[k]);
    result.figures[k].steps = count > 0 ? local_.local_steps(count, block_[k].fraction) : 0;
  }
  std::vector<std::int64_t> order(block_.size());
  std::iota(order.begin(), order.end(), 0);
  const at::Tensor from = start.to(place_.device);
  if (local_.form == BlockForm::in_turn && !correction.custom) {
    for (const std::int64_t& k : order) train(lane(variant_, 1), {&k, 1}, from, correction, result);
  } else {
    std::ranges::stable_sort(order, std::greater<>{}, [&](std::int64_t k) { return result.figures[k].steps; });
    train(lane(variant_, std::ssize(block_), local_.form), order, from, correction, result);
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
                 lane.model.layout());

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
  Lane& lane = this->lane(variant_, 1);
  LocalResult result{.figures = std::vector<ClientFigures>(block_.size(), {.steps = 1})};
  const at::Tensor to = changes().zero_();
  if (params.dim() == 1) lane.rows.values.copy_(params);
  for (std::int64_t k = 0; k < std::ssize(block_); ++k) {
    const std::span<const std::int32_t> own = examples_[k];
    if (own.empty()) continue;
    if (params.dim() == 2) lane.rows.values.copy_(params.select(0, k));
    lane.rows.losses.zero_();
    for (std::size_t first = 0; first < own.size(); first += gradient_chunk) {
      const auto part = own.subspan(first, std::min<std::size_t>(gradient_chunk, own.size() - first));
      auto& [net, inputs] = network(lane, std::ssize(part), length_of(lane, task_.train(), part));
      const ClientBatch batch{part, weight_of_each(own), &block_[k]};
      feed_.load(inputs, task_.train(), {&batch, 1});
      net.forward();
      net.loss_and_gradient();
      net.backward(first == 0 ? GradientUse::store() : GradientUse::add());
    }
    to.select(0, k).copy_(lane.rows.gradients.select(0, 0));
    result.figures[k].loss = lane.rows.losses.cpu().const_data_ptr<double>()[0];
  }
  result.delta = Rows(to);
  return result;
}

Evaluation StackedTrainer::evaluate(const at::Tensor& params, const ExampleChunk& which) {
  const at::NoGradGuard no_grad;
  const SupervisedTask::Chunk chunk = task_.chunk(which);
  Lane& alone = lane(0, 1);
  alone.rows.values.copy_(params);
  return score(alone, chunk.from, chunk.positions, std::ssize(chunk.positions), chunk.change);
}

Evaluation StackedTrainer::evaluate_own(const at::Tensor& params, ClientId client, std::string_view set) {
  const at::NoGradGuard no_grad;
  const std::vector<std::int32_t> positions = task_.holdout().indices(client, set);
  // A variant as large as the whole model is the whole model.
  Lane& alone = lane(params.numel() == task_.layout().size ? 0 : task_.variant(client), 1);
  alone.rows.values.copy_(params);
  Evaluation total;
  for (std::size_t first = 0; first < positions.size(); first += SupervisedTask::chunk_size) {
    const auto piece = std::span(positions).subspan(
        first, std::min<std::size_t>(SupervisedTask::chunk_size, positions.size() - first));
    // Clients hold any number of examples; powers of two keep the number of networks small.
    const Evaluation part = score(alone, task_.train(), piece, std::bit_ceil(piece.size()));
    total.examples += part.examples;
    total.correct += part.correct;
    total.loss += part.loss;
  }
  return total;
}

Evaluation StackedTrainer::score(Lane& alone, const ExampleStore& from, std::span<const std::int32_t> positions,
                                 std::int64_t batch, const KeyedTransform* change) {
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
