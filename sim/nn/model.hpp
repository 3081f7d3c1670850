#pragma once
// A model's architecture: it turns settings into a sequence of layers. Each model is a file in sim/nn/models.

#include <memory>

#include "sim/nn/network.hpp"
#include "sim/settings/part.hpp"

namespace shoal {

class Model {
 public:
  virtual ~Model() = default;
  /// The layers for examples of `input` shape and `classes` labels, ending in one score (logit) per class.
  virtual Network network(const Shape& input, std::int64_t classes) const = 0;
};

template <>
std::span<const Part<Model>> parts<Model>();  // generated from sim/nn/models

}  // namespace shoal
