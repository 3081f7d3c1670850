// FedAdam: the server steps by moving averages of the mean change and its square. Reddi et al., ICLR 2021
// (arXiv 2003.00295), algorithm 2.

#include "strategies/algorithms/fed_opt.hpp"

namespace shoal::algorithms {

std::unique_ptr<Strategy> fed_adam(Settings& settings) {
  const auto second_moment = [](at::Tensor& v, const at::Tensor& change, double beta2) {
    v.mul_(beta2).addcmul_(change, change, 1 - beta2);
  };
  return std::make_unique<FedOpt<decltype(second_moment)>>(settings, 0.9, second_moment);
}

}  // namespace shoal::algorithms
