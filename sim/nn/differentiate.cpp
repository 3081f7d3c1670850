#include "sim/nn/differentiate.hpp"

#include <ATen/core/grad_mode.h>
#include <torch/csrc/autograd/autograd.h>

#include "sim/error.hpp"

namespace shoal {

Differentiated differentiate(std::span<const at::Tensor> values, const at::Tensor& weights,
                             const std::function<at::Tensor(std::span<const at::Tensor> leaves)>& compute) {
  const at::AutoGradMode with_autograd(true);
  std::vector<at::Tensor> leaves;
  for (const at::Tensor& value : values) leaves.push_back(value.detach().requires_grad_(true));
  const at::Tensor result = compute(leaves);
  ensure(result.sizes() == weights.sizes(), "a loss of another shape than its targets");
  Differentiated found{.value = result.detach(), .gradients = std::vector<at::Tensor>(leaves.size())};
  if (result.requires_grad()) {
    found.gradients = torch::autograd::grad({result}, leaves, {weights}, /*retain_graph=*/false,
                                            /*create_graph=*/false, /*allow_unused=*/true);
  }
  return found;
}

}  // namespace shoal
