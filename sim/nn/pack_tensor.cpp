#include "sim/nn/pack_tensor.hpp"

#include <ATen/ops/empty.h>

#include <algorithm>
#include <cstring>

namespace shoal {
namespace {

constexpr std::size_t most_dimensions = 16;

bool is_packable(at::ScalarType type) {
  return type == at::kFloat || type == at::kDouble || type == at::kInt || type == at::kLong;
}

// Whether the shape has exactly this number of bytes. Products stay below a limit, so they cannot overflow.
bool fits(std::span<const std::int64_t> sizes, at::ScalarType type, std::int64_t bytes) {
  const bool is_empty = std::ranges::find(sizes, 0) != sizes.end();
  const std::int64_t most = is_empty ? std::int64_t{1} << 40 : bytes;
  std::int64_t product = at::elementSize(type);
  for (const std::int64_t size : sizes) {
    if (size == 0) continue;
    if (size < 0 || product > most / size) return false;
    product *= size;
  }
  return is_empty ? bytes == 0 : product == bytes;
}

}  // namespace

void pack_tensor(Packer& packer, const at::Tensor& tensor) {
  const at::Tensor host = tensor.cpu().contiguous();
  ensure(is_packable(host.scalar_type()), "a packed tensor is of type {}", at::toString(host.scalar_type()));
  packer.number(static_cast<std::int8_t>(host.scalar_type()));
  packer.array(std::span<const std::int64_t>(host.sizes().data(), host.sizes().size()));
  packer.array(std::span(static_cast<const std::byte*>(host.const_data_ptr()), host.nbytes()));
}

at::Tensor unpack_tensor(Unpacker& unpacker) {
  const auto type = static_cast<at::ScalarType>(unpacker.number<std::int8_t>());
  const std::vector<std::int64_t> sizes = unpacker.array<std::int64_t>();
  const std::vector<std::byte> values = unpacker.array<std::byte>();
  if (!is_packable(type) || sizes.size() > most_dimensions || !fits(sizes, type, std::ssize(values))) {
    user_error("a tensor of '{}' has {} bytes that do not fit its shape. Use the version that wrote it.",
               unpacker.source(), values.size());
  }
  at::Tensor tensor = at::empty(sizes, at::TensorOptions(type));
  if (!values.empty()) std::memcpy(tensor.mutable_data_ptr(), values.data(), values.size());
  return tensor;
}

}  // namespace shoal
