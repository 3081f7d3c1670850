#include "sim/task/device_examples.hpp"

#include <ATen/ops/tensor.h>

#include "kernels/gather.hpp"
#include "sim/error.hpp"
#include "sim/nn/device.hpp"

namespace shoal {
namespace {

template <class T>
at::Tensor copied(std::span<const T> values, at::ScalarType type, at::Device device) {
  return at::tensor(at::ArrayRef<T>(values.data(), values.size()), type).to(device);
}

}  // namespace

DeviceExamples::DeviceExamples(const DenseStore& examples, at::Device device)
    : form_(examples.form()),
      values_(form_.features == Form::Features::bytes ? copied(examples.bytes(), at::kByte, device)
                                                      : copied(examples.floats(), at::kFloat, device)),
      labels_(copied(examples.labels(), at::kInt, device)) {}

void DeviceExamples::gather(const at::Tensor& positions, at::Tensor& features, at::Tensor& labels) const {
  const std::int64_t count = positions.numel();
  ensure(features.numel() == count * form_.shape.size() && labels.numel() == count && features.dim() == 3 &&
             labels.is_contiguous() && positions.is_contiguous(),
         "a batch of {} examples is gathered to buffers of {} values and {} labels", count, features.numel(),
         labels.numel());
  const auto run = [&]<class T>(T) {
    const ImageTable<T> table{values_.const_data_ptr<T>(),
                              labels_.const_data_ptr<std::int32_t>(),
                              form_.shape.channels,
                              form_.shape.height * form_.shape.width,
                              form_.scale,
                              form_.offset};
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
