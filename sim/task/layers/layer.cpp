#include "sim/task/layers/layer.hpp"

#include <ATen/ops/empty.h>

namespace shoal {
namespace {

at::Tensor padded_rows(std::int64_t clients, std::int64_t size) {
  constexpr std::int64_t floats_per_line = 16;
  const std::int64_t stride = (size + floats_per_line - 1) / floats_per_line * floats_per_line;
  return at::empty({clients, stride}, at::kFloat).narrow(1, 0, size);
}

}  // namespace

Activation make_activation(std::int64_t clients, std::int64_t batch, const Shape& shape) {
  return {shape, at::empty({clients, batch, shape.size()}, at::kFloat),
          at::empty({clients, batch, shape.size()}, at::kFloat)};
}

ParameterRows::ParameterRows(std::int64_t clients, std::int64_t size)
    : values(padded_rows(clients, size)), gradients(padded_rows(clients, size)) {}

at::Tensor view_parameter(const at::Tensor& rows, const Parameter& parameter) {
  std::vector<std::int64_t> sizes{rows.size(0)}, strides(parameter.shape.size() + 1, 1);
  sizes.insert(sizes.end(), parameter.shape.begin(), parameter.shape.end());
  for (std::size_t i = sizes.size() - 1; i > 1; --i) strides[i - 1] = strides[i] * sizes[i];
  strides[0] = rows.stride(0);
  return rows.as_strided(sizes, strides, rows.storage_offset() + parameter.offset);
}

}  // namespace shoal
