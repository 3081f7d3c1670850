// FedAdam: the server takes an Adam step with moving averages of the mean change and its square. Reddi et al., ICLR
// 2021 (arXiv 2003.00295), algorithm 2.

#include "strategies/algorithms/shared/fed_opt.hpp"

namespace shoal::algorithms {

std::unique_ptr<Strategy> fed_adam(Settings& settings) {
  const double first = beta1(settings), second = beta2(settings);
  const bool corrected = settings.flag("bias_correction", false,
                                       "multiply the step of round r by sqrt(1 - beta2^(r+1)) / (1 - beta1^(r+1)), "
                                       "as Flower does");
  const auto second_moment = [second](at::Tensor& v, const at::Tensor& change) {
    v.mul_(second).addcmul_(change, change, 1 - second);
  };
  const auto correction = [=](std::int64_t round) {
    const double power = round + 1;
    return corrected ? std::sqrt(1 - std::pow(second, power)) / (1 - std::pow(first, power)) : 1.0;
  };
  return std::make_unique<FedOpt<decltype(second_moment)>>(settings, first, second_moment, correction);
}

}  // namespace shoal::algorithms
