// FedAdagrad: the server divides the mean change by the root of its accumulated squares. Reddi et al., ICLR 2021
// (arXiv 2003.00295), algorithm 2.

#include "strategies/algorithms/shared/fed_opt.hpp"

namespace shoal::algorithms {

std::unique_ptr<Strategy> fed_adagrad(Settings& settings) {
  const auto second_moment = [](at::Tensor& v, const at::Tensor& change) { v.addcmul_(change, change); };
  return std::make_unique<FedOpt<decltype(second_moment)>>(settings, 0.0, second_moment);
}

}  // namespace shoal::algorithms
