// FedYogi: as FedAdam, but the second moment moves by a bounded amount towards the square of the mean change. Reddi et
// al., ICLR 2021 (arXiv 2003.00295), algorithm 2.

#include <ATen/ops/square.h>

#include "strategies/algorithms/fed_opt.hpp"

namespace shoal::algorithms {

std::unique_ptr<Strategy> fed_yogi(Settings& settings) {
  const auto second_moment = [](at::Tensor& v, const at::Tensor& change, double beta2) {
    const at::Tensor square = at::square(change);
    v.sub_(square * (v - square).sign_(), 1 - beta2);
  };
  return std::make_unique<FedOpt<decltype(second_moment)>>(settings, 0.9, second_moment);
}

}  // namespace shoal::algorithms
