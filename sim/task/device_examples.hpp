#pragma once
// A data set in the memory of a GPU, as compact as on the host: images stay uint8 until a batch is gathered.

#include <ATen/core/Tensor.h>

#include "sim/task/dense_store.hpp"

namespace shoal {

class DeviceExamples {
 public:
  static constexpr std::int32_t none = -1;  // in place of a position

  /// Copies features and labels (not real targets) to `device` once. With the CPU as `device`, tests can run the
  /// device's arithmetic.
  DeviceExamples(const DenseStore& examples, at::Device device);

  /// Gathers the examples at `positions` [K B] (int32, on the device; `none` for no example). Writes their features as
  /// the network expects them (scaled, channels last; zeros for no example) to `features` [K, B, size], in which
  /// clients may lie further apart than B size, and their labels (0 for no example) to `labels` [K, B] (int64). Queued
  /// on the current stream.
  void gather(const at::Tensor& positions, at::Tensor& features, at::Tensor& labels) const;

 private:
  Form form_;
  at::Tensor values_, labels_;
};

}  // namespace shoal
