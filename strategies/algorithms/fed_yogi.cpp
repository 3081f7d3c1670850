// FedYogi: like FedAdam, but the second moment moves by a bounded amount towards the square of the mean change. Reddi
// et al., ICLR 2021 (arXiv 2003.00295), algorithm 2.

#include <ATen/ops/square.h>

#include "strategies/algorithms/shared/fed_opt.hpp"

namespace shoal::algorithms {

std::unique_ptr<Strategy> fed_yogi(Settings& settings) {
  const double first = beta1(settings), second = beta2(settings);
  const auto second_moment = [second](at::Tensor& v, const at::Tensor& change) {
    const at::Tensor square = at::square(change);
    v.sub_(square * (v - square).sign_(), 1 - second);
  };
  return std::make_unique<FedOpt<decltype(second_moment)>>(settings, first, second_moment);
}

}  // namespace shoal::algorithms
