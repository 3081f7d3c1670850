#include "sim/nn/layers/layer.hpp"

#include <ATen/ops/zeros.h>

#include <cmath>

namespace shoal {
namespace {

// [clients, size], with rows that start on 64 bytes.
at::Tensor padded_rows(std::int64_t clients, std::int64_t size, at::Device device) {
  constexpr std::int64_t floats_per_line = 16;
  const std::int64_t stride = (size + floats_per_line - 1) / floats_per_line * floats_per_line;
  return at::zeros({clients, stride}, at::TensorOptions(at::kFloat).device(device)).narrow(1, 0, size);
}

}  // namespace

Activation Activation::first(std::int64_t active) const {
  const auto part = [&](const at::Tensor& t) { return t.defined() ? t.narrow(0, 0, active) : t; };
  return {shape, part(value), part(gradient), part(weights)};
}

Activation make_activation(std::int64_t clients, std::int64_t batch, const Shape& shape, const at::Tensor& like) {
  const auto buffer = [&] {
    return padded_rows(clients, batch * shape.size(), like.device()).unflatten(1, {batch, shape.size()});
  };
  return {shape, buffer(), buffer()};
}

Activation make_output(const Activation& input, const Shape& shape) {
  Activation output = make_activation(input.clients(), input.batch(), shape, input.value);
  output.weights = input.weights;
  return output;
}

ParameterRows::ParameterRows(std::int64_t clients, std::int64_t size, at::Device device)
    : values(padded_rows(clients, size, device)),
      gradients(padded_rows(clients, size, device)),
      losses(at::zeros({clients}, at::TensorOptions(at::kDouble).device(device))) {}

at::Tensor view_parameter(const at::Tensor& rows, const Parameter& parameter) {
  std::vector<std::int64_t> sizes{rows.size(0)}, strides(parameter.shape.size() + 1, 1);
  sizes.insert(sizes.end(), parameter.shape.begin(), parameter.shape.end());
  for (std::size_t i = sizes.size() - 1; i > 1; --i) strides[i - 1] = strides[i] * sizes[i];
  strides[0] = rows.stride(0);
  return rows.as_strided(sizes, strides, rows.storage_offset() + parameter.offset);
}

void GradientUse::change(at::Tensor to, const at::Tensor& g) const {
  if (keep == 0) {
    to.copy_(g);  // also where it was not finite; scale is 1
  } else {
    to.add_(g, scale);
  }
}

void GradientUse::change(float& to, double g) const {
  to = (keep == 0 ? 0 : keep * to) + scale * static_cast<float>(g);
}

void draw_uniform(std::span<float> values, std::int64_t inputs, RandomStream& random) {
  const double bound = 1 / std::sqrt(inputs);
  for (float& value : values) value = bound * (2 * random.uniform() - 1);
}

}  // namespace shoal
