#pragma once
// Names, shapes and offsets of a model's parameters in one flat vector.

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace shoal {

/// The purpose of a parameter. Buffers (running statistics) are changed by forward passes instead of gradients: they
/// are part of a client's update, and the local step leaves them alone. The other roles are recorded only.
enum class Role : std::int8_t { shared, personal, buffer, frozen };

/// "shared", "personal", "buffer" or "frozen".
std::string_view name_of(Role role);

struct Parameter {
  std::string name;
  std::vector<std::int64_t> shape;
  std::int64_t offset = 0;  // into the flat vector
  std::int64_t size = 0;    // product of the shape
  Role role = Role::shared;
};

/// Consecutive values of the flat vector.
struct Range {
  std::int64_t first = 0, size = 0;
  bool operator==(const Range&) const = default;
};

/// The flat vector [d] that strategies see, and the named parameters inside it.
struct ParameterLayout {
  std::vector<Parameter> parameters;
  std::int64_t size = 0;  // d
  at::ScalarType type = at::kFloat;
  at::Device device = at::kCPU;  // the parameters live here, and all that is computed with them
  at::Tensor places{};           // int64 [d], positions in the whole model's layout; undefined: this is the whole model

  at::TensorOptions options() const { return at::TensorOptions(type).device(device); }
  void add(std::string name, std::vector<std::int64_t> shape, Role role = Role::shared) {
    std::int64_t count = 1;
    for (const std::int64_t side : shape) count *= side;
    parameters.push_back({std::move(name), std::move(shape), size, count, role});
    size += count;
  }

  std::vector<std::string> names() const;
  /// The values of the parameters of this role, in order; neighbours are joined.
  std::vector<Range> ranges(Role role) const;
  /// The values of the parameters that match one of the patterns, in order. A pattern is one part of a name or several
  /// consecutive ones, such as "norm", "dense2" or "residual1.norm"; without its number, a part stands for all numbers.
  /// "head" is the last layer with parameters, and the name of a role, such as "buffer", is all parameters of that
  /// role. UserError when a pattern matches nothing.
  std::vector<Range> ranges(std::span<const std::string> patterns) const;
  /// The values outside of `ranges`.
  std::vector<Range> without(std::span<const Range> ranges) const;
  /// The values that gradients change: all but the buffers.
  std::vector<Range> trained() const { return without(ranges(Role::buffer)); }
};

/// The positions in `whole` of the parameters of `part`, int64 [part.size]. Parameters are paired by their names; of
/// each dimension, the part has the first entries (Diao et al. 2021, HeteroFL, arXiv 2010.01264). UserError when it
/// does not fit into the whole.
at::Tensor places_in(const ParameterLayout& part, const ParameterLayout& whole);

}  // namespace shoal
