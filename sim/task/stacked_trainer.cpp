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
constexpr std::int64_t most_lanes = 4;       // for each variant
constexpr std::int64_t most_rows = 512;      // examples that the buffers of all batch sizes of a lane hold together

double mean_or_zero(double sum, std::int64_t count) { return count > 0 ? sum / count : 0; }

}  // namespace

StackedTrainer::StackedTrainer(const SupervisedTask& task, Workplace place)
    : task_(task),
      place_(place),
      feed_(place.device, place.arithmetic, task.transforms(), task.clients()),
      lanes_(most_lanes * task.variants()) {}

StackedTrainer::Lane& StackedTrainer::lane(Recent<Lane>& among, std::int64_t number, std::int32_t variant,
                                           std::int64_t clients, BlockForm form) {
  const bool grouped = form == BlockForm::grouped && clients > 1;
  const std::int64_t key = 2 * (clients * task_.variants() + variant) + (grouped ? 1 : 0);
  return among.get((number << 40) + key, 1, [&] {
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

void StackedTrainer::open(std::span<const Participation> block, const LocalSettings& local, int pass) {
  pass_ = pass;
  block_.assign(block.begin(), block.end());
  variant_ = block.empty() ? 0 : block.front().variant;
  local_ = local;
  examples_.clear();
  for (const Participation& p : block_) {
    ensure(p.variant == variant_, "a block of the variants {} and {}", variant_, p.variant);
    examples_.push_back(task_.examples_of(p.client, "train"));
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
  if (!is_free(changes_) || changes_.numel() < clients * size) {
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
  result.delta = Rows(changes());
  if (local_.form == BlockForm::in_turn) {
    for (const std::int64_t& k : order) train(lane(variant_, 1), {&k, 1}, from, correction, result);
  } else {
    std::ranges::stable_sort(order, std::greater<>{}, [&](std::int64_t k) { return result.figures[k].steps; });
    train(lane(variant_, std::ssize(block_), local_.form), order, from, correction, result);
  }
  return result;
}

void StackedTrainer::set_rows(Lane& lane, std::span<const std::int64_t> order, const at::Tensor& params) const {
  const at::AutoDispatchBelowADInplaceOrView no_autograd;
  for (std::size_t slot = 0; slot < order.size(); ++slot) {
    lane.rows.values.select(0, slot).copy_(row_or_shared(params, order[slot]));
  }
}

void StackedTrainer::train(Lane& lane, std::span<const std::int64_t> order, const at::Tensor& start,
                           const Correction& correction, LocalResult& result) {
  const RandomKey key = random_key(task_.seed(), pass_ == 0 ? "task/shuffle" : fmt::format("task/shuffle/{}", pass_));
  const auto count = std::ssize(block_);
  Stack stack{.lane = lane, .order = order, .batches = {}, .steps = {}, .term = {}, .references = {}};
  stack.batches.reserve(order.size());
  for (const std::int64_t k : order) {
    stack.batches.emplace_back(examples_[k], local_.batch, key, block_[k]);
    stack.steps.push_back(result.figures[k].steps);
  }
  set_rows(lane, order, start);
  if (correction.loss) {
    stack.term.emplace(*correction.loss, local_, order, place_.device);
    ensure(std::ssize(correction.loss->references) <= most_references, "{} references of a loss term (at most {})",
           correction.loss->references.size(), most_references);
    for (const at::Tensor& params : correction.loss->references) {
      Lane& other = this->lane(references_, std::ssize(stack.references), variant_, std::ssize(order), local_.form);
      set_rows(other, order, params);
      stack.references.push_back(&other);
    }
  }
  if (local_.momentum > 0 && !lane.momentum.defined()) lane.momentum = at::empty_like(lane.rows.values);
  const at::Tensor momentum = local_.momentum > 0 ? lane.momentum : at::Tensor();
  ParameterRows* trained = &lane.rows;
  if (correction.program) {
    if (!lane.programmed) {
      lane.programmed = std::make_unique<ParameterRows>(lane.rows.clients(), lane.model.layout().size, place_.device);
    }
    trained = lane.programmed.get();
    trained->values.copy_(lane.rows.values);
  }
  trained->losses.zero_();
  LocalStep step(*trained, momentum, local_, correction, order, place_.arithmetic, lane.model.layout());
  if (correction.program) {
    run_program(stack, correction, *trained, step, result);
  } else {
    take_steps(stack, step);
  }

  const at::AutoDispatchBelowADInplaceOrView no_autograd;
  const at::Tensor losses = trained->losses.cpu(), to = result.delta.dense();
  for (std::size_t slot = 0; slot < order.size(); ++slot) {
    const std::int64_t k = order[slot];
    result.figures[k].loss = mean_or_zero(losses.const_data_ptr<double>()[slot], stack.steps[slot]);
    at::Tensor change = to.select(0, k);
    at::sub_out(change, trained->values.select(0, slot), row_or_shared(start, k));
  }
  if (stack.term) stack.term->give_trained(count, result.trained);
}

StackedNetwork& StackedTrainer::loaded(Lane& lane, std::span<const ClientBatch> batches) {
  const std::span<const std::int32_t> longest = batches.front().positions;
  // A client alone needs no padding.
  auto& [net, inputs] = network(lane, lane.rows.clients() == 1 ? std::ssize(longest) : padded_batch(),
                                length_of(lane, task_.train(), longest));
  feed_.load(inputs, task_.train(), batches);
  return net;
}

void StackedTrainer::take_steps(Stack& stack, LocalStep& step) {
  std::vector<ClientBatch> batches(stack.order.size());
  std::size_t active = stack.order.size();
  for (std::int64_t s = 0;; ++s) {
    while (active > 0 && stack.steps[active - 1] <= s) --active;
    if (active == 0) break;
    for (std::size_t slot = 0; slot < active; ++slot) {
      const std::span<const std::int32_t> batch = stack.batches[slot].next();
      batches[slot] = {batch, weight_of_each(batch), &block_[stack.order[slot]], s};
    }
    const auto taking_part = std::span(batches).first(active);
    if (stack.term) {
      pass(stack, taking_part, step.use());
      step.finish(active);
      stack.term->train();
    } else {
      step.run(loaded(stack.lane, taking_part), active);
    }
  }
}

void StackedTrainer::pass(Stack& stack, std::span<const ClientBatch> batches, const GradientUse& use) {
  const std::int64_t active = std::ssize(batches);
  std::vector<Outputs> references;
  for (Lane* other : stack.references) {
    StackedNetwork& net = loaded(*other, batches);
    net.use(active);
    net.evaluate();
    references.push_back(net.outputs());
  }
  StackedNetwork& net = loaded(stack.lane, batches);
  net.use(active);
  net.forward();
  if (stack.term) {
    net.backward(use, stack.term->differentiate(net, std::move(references), stack.lane.rows.losses));
  } else {
    net.loss_and_gradient();
    net.backward(use);
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
    differentiate(lane, own, weight_of_each(own), &block_[k]);
    to.select(0, k).copy_(lane.rows.gradients.select(0, 0));
    result.figures[k].loss = lane.rows.losses.cpu().const_data_ptr<double>()[0];
  }
  result.delta = Rows(to);
  return result;
}

void StackedTrainer::differentiate(Lane& alone, std::span<const std::int32_t> positions, double weight,
                                   const Participation* who) {
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
  Lane& alone = lane(0, 1);
  alone.rows.values.copy_(params);
  return score(alone, chunk.from, chunk.positions, std::ssize(chunk.positions), chunk.change);
}

StackedTrainer::Lane& StackedTrainer::lane_of(const at::Tensor& params, ClientId client) {
  // A variant as large as the whole model is the whole model.
  Lane& alone = lane(params.numel() == task_.layout().size ? 0 : task_.variant(client), 1);
  alone.rows.values.copy_(params);
  return alone;
}

Evaluation StackedTrainer::evaluate_own(const at::Tensor& params, ClientId client, std::string_view set) {
  const at::NoGradGuard no_grad;
  const std::vector<std::int32_t> positions = task_.examples_of(client, set);
  Lane& alone = lane_of(params, client);
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

ExampleOutputs StackedTrainer::outputs_own(const at::Tensor& params, ClientId client, std::string_view set) {
  const at::NoGradGuard no_grad;
  return outputs(lane_of(params, client), task_.examples_of(client, set));
}

ExampleOutputs StackedTrainer::server_outputs(const at::Tensor& params, std::span<const std::int32_t> positions) {
  const at::NoGradGuard no_grad;
  Lane& alone = lane(0, 1);
  alone.rows.values.copy_(params);
  return outputs(alone, task_.server_examples(positions));
}

SummedGradient StackedTrainer::server_gradient(const at::Tensor& params, std::span<const std::int32_t> positions) {
  const at::NoGradGuard no_grad;
  const std::vector<std::int32_t> examples = task_.server_examples(positions);
  if (examples.empty()) return {.gradient = at::zeros_like(params)};
  Lane& alone = lane(0, 1);
  alone.rows.values.copy_(params);
  differentiate(alone, examples, 1, nullptr);
  at::Tensor gradient = alone.rows.gradients.select(0, 0).clone();
  for (const Range& buffer : task_.layout().ranges(Role::buffer)) gradient.narrow(0, buffer.first, buffer.size).zero_();
  return {.gradient = gradient, .targets = task_.train().targets(examples)};
}

ExampleOutputs StackedTrainer::outputs(Lane& alone, std::span<const std::int32_t> positions) {
  const Form& form = task_.train().form();
  const std::int64_t count = std::ssize(positions);
  const bool tokens = form.targets == Form::Targets::tokens;
  std::vector<std::int64_t> shape{1, count};
  if (tokens) shape.push_back(form.longest);
  const at::TensorOptions floats = alone.rows.values.options();
  ExampleOutputs all;
  all.counts = {count};
  all.targets = at::full(shape, -1, floats.dtype(at::kLong));
  shape.push_back(score_count(alone.model.form()));
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
