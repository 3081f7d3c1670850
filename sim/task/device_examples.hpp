#pragma once
// A data set in the memory of a GPU, as compact as on the host: images stay uint8 until a batch is gathered.

#include <ATen/core/Tensor.h>

#include "sim/task/data.hpp"

namespace shoal {

class DeviceExamples {
 public:
  static constexpr std::int32_t none = -1;  // in place of a position

  /// Copies features and labels to `device` once; on the CPU, the arithmetic of devices can be tried there.
  DeviceExamples(const Examples& examples, at::Device device);

  /// For each of `positions` [K B] (int32, there, or `none`) the features as the network wants them (scaled, channels
  /// last, zeros where there is no example) to `features` [K, B, size], where clients may lie further apart than B
  /// size; and the label, 0 for none, to `labels` [K, B] (int64). Queued on the current stream.
  void gather(const at::Tensor& positions, at::Tensor& features, at::Tensor& labels) const;

 private:
  Shape shape_;
  float scale_, offset_;
  at::Tensor values_, labels_;
};

}  // namespace shoal
