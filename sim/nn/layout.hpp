#pragma once
// Names, shapes and places of a model's parameters in one flat vector.

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <string>
#include <vector>

namespace shoal {

/// Who shares a parameter. Only `shared` ones are aggregated by the usual strategies.
enum class Role : std::int8_t { shared, personal, buffer, frozen };

struct Parameter {
  std::string name;
  std::vector<std::int64_t> shape;
  std::int64_t offset = 0;  // into the flat vector
  std::int64_t size = 0;    // product of the shape
  Role role = Role::shared;
};

/// The flat vector [d] that strategies see, and the named parameters inside it.
struct ParameterLayout {
  std::vector<Parameter> parameters;
  std::int64_t size = 0;  // d
  at::ScalarType type = at::kFloat;
  at::Device device = at::kCPU;  // where they live, and everything that is computed with them

  at::TensorOptions options() const { return at::TensorOptions(type).device(device); }
  void add(std::string name, std::vector<std::int64_t> shape, Role role = Role::shared) {
    std::int64_t count = 1;
    for (const std::int64_t side : shape) count *= side;
    parameters.push_back({std::move(name), std::move(shape), size, count, role});
    size += count;
  }
};

}  // namespace shoal
