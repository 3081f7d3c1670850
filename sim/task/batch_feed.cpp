#include "sim/task/batch_feed.hpp"

#include <ATen/ops/empty.h>

#include <algorithm>

namespace shoal {
namespace {

// Writes the features of one example as the network expects them: scaled, channels last.
template <class T>
void write_features(const T* from, const Shape& shape, float scale, float offset, float* to) {
  const std::int64_t pixels = shape.height * shape.width;
  if (shape.channels == 1 || pixels == 1) {
    for (std::int64_t i = 0; i < shape.size(); ++i) to[i] = from[i] * scale + offset;
    return;
  }
  for (std::int64_t c = 0; c < shape.channels; ++c) {
    for (std::int64_t i = 0; i < pixels; ++i) {
      to[i * shape.channels + c] = from[c * pixels + i] * scale + offset;
    }
  }
}

}  // namespace

void BatchFeed::load(StackedNetwork& to, const Examples& from, std::span<const ClientBatch> batches) {
  if (arithmetic_ == StackForm::Arithmetic::library) return load_on_device(to, from, batches);
  for (std::size_t k = 0; k < batches.size(); ++k) load_rows(to, k, from, batches[k]);
}

void BatchFeed::load_rows(StackedNetwork& to, std::int64_t k, const Examples& from, const ClientBatch& batch) const {
  const std::int64_t rows = to.batch(), size = from.shape.size(), used = std::ssize(batch.positions);
  std::int64_t* labels = to.labels().mutable_data_ptr<std::int64_t>() + k * rows;
  float* weights = to.weights().mutable_data_ptr<float>() + k * rows;
  float* features = to.inputs().mutable_data_ptr<float>() + k * to.inputs().stride(0);
  for (const std::int32_t position : batch.positions) {
    const std::int64_t first = std::int64_t{position} * size;
    *labels++ = from.labels[position];
    if (from.bytes.empty()) {
      write_features(from.floats.data() + first, from.shape, from.scale, from.offset, features);
    } else {
      write_features(from.bytes.data() + first, from.shape, from.scale, from.offset, features);
    }
    features += size;
  }
  std::fill_n(weights, used, batch.weight);
  std::fill_n(weights + used, rows - used, 0.0F);
  std::fill_n(labels, rows - used, std::int64_t{0});
  std::fill_n(features, (rows - used) * size, 0.0F);  // values left there may have become infinite
}

void BatchFeed::load_on_device(StackedNetwork& to, const Examples& from, std::span<const ClientBatch> batches) {
  const std::int64_t clients = to.weights().size(0), rows = to.batch();
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
  to.weights().view({-1}).copy_(s.weights, /*non_blocking=*/true);
  compact(from).gather(s.chosen, to.inputs(), to.labels());
}

const DeviceExamples& BatchFeed::compact(const Examples& from) {
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
