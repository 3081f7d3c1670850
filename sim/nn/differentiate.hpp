#pragma once
// Derivatives by LibTorch of expressions that have no backward pass of their own.

#include <ATen/core/Tensor.h>

#include <functional>
#include <span>
#include <vector>

namespace shoal {

/// A number that was computed from leaves, and its gradient with respect to each of them.
struct Differentiated {
  at::Tensor value;                   // without a graph
  std::vector<at::Tensor> gradients;  // one for each leaf; undefined: the value does not depend on it
};

/// Calls `compute` with leaves that share the memory of `values` and records what it computes; its result may have any
/// shape. The gradient is that of the sum of the result times `weights`, which has the result's shape.
Differentiated differentiate(std::span<const at::Tensor> values, const at::Tensor& weights,
                             const std::function<at::Tensor(std::span<const at::Tensor> leaves)>& compute);

}  // namespace shoal
