#pragma once
// A model's architecture: it turns settings and the form of the examples into a model. Each is a file in sim/nn/models.

#include <memory>

#include "sim/nn/network.hpp"
#include "sim/settings/part.hpp"

namespace shoal {

class Model {
 public:
  virtual ~Model() = default;
  /// The model for examples of this form, ending in one score (logit) per class, or per token of the vocabulary at each
  /// position. Parameters live on `device`. UserError when the model does not take such examples.
  virtual std::shared_ptr<const Learnable> build(const Form& form, at::Device device) const = 0;
};

template <>
std::span<const Part<Model>> parts<Model>();  // generated from sim/nn/models

}  // namespace shoal
