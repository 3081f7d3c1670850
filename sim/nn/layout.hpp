#pragma once
// Names, shapes and offsets of a model's parameters in one flat vector.

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <string>
#include <vector>

namespace shoal {

/// How a parameter is meant to be shared among clients. Recorded only: strategies treat all of [d] alike.
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
  at::Device device = at::kCPU;  // the parameters live here, and all that is computed with them

  at::TensorOptions options() const { return at::TensorOptions(type).device(device); }
  void add(std::string name, std::vector<std::int64_t> shape, Role role = Role::shared) {
    std::int64_t count = 1;
    for (const std::int64_t side : shape) count *= side;
    parameters.push_back({std::move(name), std::move(shape), size, count, role});
    size += count;
  }
};

}  // namespace shoal
