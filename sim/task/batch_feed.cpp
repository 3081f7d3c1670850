#include "sim/task/batch_feed.hpp"

#include <ATen/ops/empty.h>

#include <algorithm>

namespace shoal {

StackedBatch::StackedBatch(StackedNetwork& of)
    : features(of.inputs()),
      labels(of.labels()),
      weights(of.weights()),
      clients(of.batches().begin(), of.batches().end()) {}

void BatchFeed::load(StackedBatch& to, const ExampleStore& from, std::span<const ClientBatch> batches) {
  const bool changes = !transforms_.empty() && !batches.empty() && batches.front().who != nullptr;
  const std::span<const KeyedTransform> transforms = changes ? transforms_ : std::span<const KeyedTransform>();
  if (arithmetic_ == StackForm::Arithmetic::loops) {
    for (std::size_t k = 0; k < batches.size(); ++k) load_rows(to.clients[k], from, batches[k], transforms);
    return;
  }
  const auto* dense = dynamic_cast<const DenseStore*>(&from);
  if (changes || dense == nullptr) return load_by_way_of_host(to, from, batches, transforms);
  load_on_device(to, *dense, batches);
}

void BatchFeed::load_changed(StackedBatch& to, const ExampleStore& from, const ClientBatch& batch,
                             const KeyedTransform& only) {
  if (arithmetic_ == StackForm::Arithmetic::loops) return load_rows(to.clients[0], from, batch, {&only, 1});
  load_by_way_of_host(to, from, {&batch, 1}, {&only, 1});
}

void BatchFeed::load_rows(Gathered& to, const ExampleStore& from, const ClientBatch& batch,
                          std::span<const KeyedTransform> transforms) const {
  from.gather(batch.positions, to);
  float* weights = to.weights.mutable_data_ptr<float>();
  const std::int64_t rows = to.weights.numel(), used = std::ssize(batch.positions);
  std::fill_n(weights, used, batch.weight);
  std::fill_n(weights + used, rows - used, 0.0F);
  if (transforms.empty()) return;
  const Batch about{.positions = batch.positions,
                    .who = batch.who,
                    .step = batch.step,
                    .weights = {weights, batch.positions.size()},
                    .form = from.form(),
                    .clients = clients_};
  for (const KeyedTransform& t : transforms) t.transform->apply(about, to, t.key);
}

void BatchFeed::load_by_way_of_host(StackedBatch& to, const ExampleStore& from, std::span<const ClientBatch> batches,
                                    std::span<const KeyedTransform> transforms) const {
  to.features.zero_();
  to.weights.zero_();
  for (std::size_t k = 0; k < batches.size(); ++k) {
    Gathered& there = to.clients[k];
    const auto on_host = [](const at::Tensor& t) {
      return t.defined() ? at::empty(t.sizes(), t.options().device(at::kCPU)) : t;
    };
    Gathered here{.features = on_host(there.features),
                  .targets = on_host(there.targets),
                  .mask = on_host(there.mask),
                  .weights = on_host(there.weights)};
    load_rows(here, from, batches[k], transforms);
    if (here.mask.defined()) there.mask.copy_(here.mask);
    there.features.copy_(here.features);
    there.targets.copy_(here.targets);
    there.weights.copy_(here.weights);
  }
}

void BatchFeed::load_on_device(StackedBatch& to, const DenseStore& from, std::span<const ClientBatch> batches) {
  const std::int64_t clients = to.weights.size(0), rows = to.weights.size(1);
  Staging& s = staging(clients * rows);
  auto* positions = s.positions.mutable_data_ptr<std::int32_t>();
  float* weights = s.weights.mutable_data_ptr<float>();
  std::fill_n(positions, clients * rows, DeviceExamples::none);
  std::fill_n(weights, clients * rows, 0.0F);
  for (const ClientBatch& batch : batches) {
    std::ranges::copy(batch.positions, positions);
    std::fill_n(weights, batch.positions.size(), batch.weight);
    positions += rows;
    weights += rows;
  }
  s.chosen.copy_(s.positions, /*non_blocking=*/true);
  to.weights.view({-1}).copy_(s.weights, /*non_blocking=*/true);
  compact(from).gather(s.chosen, to.features, to.labels);
}

const DeviceExamples& BatchFeed::compact(const DenseStore& from) {
  const auto held = std::ranges::find(compact_, &from, &Compact::of);
  if (held != compact_.end()) return held->there;
  compact_.push_back({&from, DeviceExamples(from, device_)});
  return compact_.back().there;
}

BatchFeed::Staging& BatchFeed::staging(std::int64_t rows) {
  const auto held = std::ranges::find(staging_, rows, [](const Staging& s) { return s.positions.numel(); });
  if (held != staging_.end()) return *held;
  // Pageable, not pinned: the driver copies it at once, so that the next step may overwrite it.
  const at::TensorOptions host = at::TensorOptions(at::kCPU), there = at::TensorOptions(device_);
  staging_.push_back({at::empty({rows}, host.dtype(at::kInt)), at::empty({rows}, host.dtype(at::kFloat)),
                      at::empty({rows}, there.dtype(at::kInt))});
  return staging_.back();
}

}  // namespace shoal
