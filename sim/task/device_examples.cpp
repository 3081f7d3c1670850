#include "sim/task/device_examples.hpp"

#include <ATen/ops/tensor.h>

#include "kernels/gather.hpp"
#include "sim/error.hpp"
#include "sim/nn/device.hpp"

namespace shoal {
namespace {

template <class T>
at::Tensor copied(const std::vector<T>& values, at::ScalarType type, at::Device device) {
  return at::tensor(at::ArrayRef<T>(values), type).to(device);
}

}  // namespace

DeviceExamples::DeviceExamples(const Examples& examples, at::Device device)
    : shape_(examples.shape),
      scale_(examples.scale),
      offset_(examples.offset),
      values_(examples.bytes.empty() ? copied(examples.floats, at::kFloat, device)
                                     : copied(examples.bytes, at::kByte, device)),
      labels_(copied(examples.labels, at::kInt, device)) {}

void DeviceExamples::gather(const at::Tensor& positions, at::Tensor& features, at::Tensor& labels) const {
  const std::int64_t count = positions.numel();
  ensure(features.numel() == count * shape_.size() && labels.numel() == count && features.dim() == 3 &&
             labels.is_contiguous() && positions.is_contiguous(),
         "a batch of {} examples is gathered to buffers of {} values and {} labels", count, features.numel(),
         labels.numel());
  const auto run = [&]<class T>(T) {
    const ImageTable<T> table{values_.const_data_ptr<T>(),
                              labels_.const_data_ptr<std::int32_t>(),
                              shape_.channels,
                              shape_.height * shape_.width,
                              scale_,
                              offset_};
    const auto* from = positions.const_data_ptr<std::int32_t>();
    const ImageGroups to{features.mutable_data_ptr<float>(), features.size(1), features.stride(0)};
    auto* labels_to = labels.mutable_data_ptr<std::int64_t>();
    if (on_device(values_)) {
      shoal::gather(current_stream(), table, from, count, to, labels_to);
    } else {
      shoal::gather(table, std::span(from, count), to, labels_to);
    }
  };
  if (values_.scalar_type() == at::kByte) {
    run(std::uint8_t{});
  } else {
    run(float{});
  }
}

}  // namespace shoal
