#include "sim/task/dense_store.hpp"

#include <ATen/ops/empty.h>

#include <algorithm>

#include "sim/error.hpp"

namespace shoal {
namespace {

// Writes the features of one example as a model expects them: scaled, channels last.
template <class T>
void write_features(const T* from, const Form& form, float* to) {
  const Shape& shape = form.shape;
  const float scale = form.scale, offset = form.offset;
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

// Writes the features at the positions and zeros behind them: values left there may have become infinite.
template <class T>
void write_rows(const T* from, const Form& form, std::span<const std::int32_t> positions, at::Tensor& to) {
  const std::int64_t size = form.shape.size();
  float* row = to.mutable_data_ptr<float>();
  float* const end = row + to.numel();
  for (const std::int32_t position : positions) {
    write_features(from + position * size, form, row);
    row += size;
  }
  std::fill(row, end, 0.0F);
}

template <class T, class Target>
void write_targets(std::span<const T> from, std::span<const std::int32_t> positions, at::Tensor& to) {
  Target* target = to.mutable_data_ptr<Target>();
  Target* const end = target + to.numel();
  for (const std::int32_t position : positions) *target++ = from[position];
  std::fill(target, end, Target{0});
}

template <class T>
std::span<const std::byte> bytes_of(const T& values) {
  return std::as_bytes(std::span(values));
}

}  // namespace

DenseStore::DenseStore(Examples examples)
    : own_(std::move(examples)),
      bytes_(own_.owner ? own_.mapped : own_.bytes),
      count_(own_.form.targets == Form::Targets::reals ? own_.reals.size() : own_.labels.size()) {
  check();
}

void DenseStore::check() const {
  const Form& form = own_.form;
  const bool real = form.targets == Form::Targets::reals, compact = form.features == Form::Features::bytes;
  ensure(form.features != Form::Features::tokens && form.targets != Form::Targets::tokens,
         "a dense store has no sequences");
  ensure(std::ssize(compact ? bytes_ : std::span<const std::uint8_t>()) == (compact ? count_ * form.shape.size() : 0) &&
             std::ssize(own_.floats) == (compact ? 0 : count_ * form.shape.size()) && (compact || bytes_.empty()),
         "{} bytes and {} floats for {} examples of {} features", bytes_.size(), own_.floats.size(), count_,
         form.shape.size());
  ensure(own_.owner == nullptr || own_.bytes.empty(), "features are mapped and in memory");
  ensure(std::ssize(own_.labels) == (real ? 0 : count_) && std::ssize(own_.reals) == (real ? count_ : 0),
         "{} labels and {} real targets for {} examples", own_.labels.size(), own_.reals.size(), count_);
  ensure(own_.groups.empty() || std::ssize(own_.groups) == count_, "{} groups for {} examples", own_.groups.size(),
         count_);
  if (own_.labels.empty()) return;
  const auto [least, most] = std::ranges::minmax(own_.labels);
  ensure(least >= 0 && most < form.classes, "labels {} to {} of {} classes", least, most, form.classes);
}

void DenseStore::gather(std::span<const std::int32_t> positions, Gathered& to) const {
  const Form& form = own_.form;
  const Shape& shape = form.shape;
  const std::int64_t rows = std::ssize(positions);
  const bool real = form.targets == Form::Targets::reals;
  if (!to.features.defined()) to.features = at::empty({rows, shape.height, shape.width, shape.channels}, at::kFloat);
  if (!to.targets.defined()) to.targets = at::empty({rows}, real ? at::kFloat : at::kLong);
  ensure(to.targets.numel() >= rows && to.features.numel() == to.targets.numel() * shape.size() &&
             to.features.is_contiguous() && to.targets.is_contiguous(),
         "{} examples of {} features are gathered to {} features and {} targets", rows, shape.size(),
         to.features.numel(), to.targets.numel());
  if (form.features == Form::Features::bytes) {
    write_rows(bytes_.data(), form, positions, to.features);
  } else {
    write_rows(own_.floats.data(), form, positions, to.features);
  }
  if (real) {
    write_targets<float, float>(own_.reals, positions, to.targets);
  } else {
    write_targets<std::int32_t, std::int64_t>(own_.labels, positions, to.targets);
  }
}

std::vector<std::span<const std::byte>> DenseStore::contents() const {
  std::vector<std::span<const std::byte>> all{std::as_bytes(bytes_), bytes_of(own_.floats)};
  all.push_back(own_.form.targets == Form::Targets::reals ? bytes_of(own_.reals) : bytes_of(own_.labels));
  all.push_back(bytes_of(own_.groups));
  return all;
}

std::shared_ptr<const DenseStore> stored(Examples examples) {
  return std::make_shared<const DenseStore>(std::move(examples));
}

}  // namespace shoal
