#include "sim/gossip/peer_strategy.hpp"

#include <ATen/ops/zeros_like.h>

namespace shoal {

at::Tensor weighted_sum(const Neighbourhood& near) {
  at::Tensor sum = at::zeros_like(near.rows.front());
  for (std::size_t i = 0; i < near.rows.size(); ++i) sum.add_(near.rows[i], near.weights[i]);
  return sum;
}

}  // namespace shoal
