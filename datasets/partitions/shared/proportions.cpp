#include "datasets/partitions/shared/proportions.hpp"

#include <algorithm>
#include <cmath>

namespace shoal {

std::vector<std::int32_t> dirichlet_cuts(std::int64_t clients, double alpha, std::int64_t total, RandomStream& random) {
  // Gamma(a) = Gamma(a + 1) U^(1/a), as logarithms: with a small alpha all the gammas would underflow to zero.
  std::vector<double> weight(clients);
  for (double& w : weight) {
    const double log_gamma = std::log(random.gamma(alpha < 1 ? alpha + 1 : alpha));
    w = alpha < 1 ? log_gamma + std::log(1 - random.uniform()) / alpha : log_gamma;
  }
  const double largest = *std::max_element(weight.begin(), weight.end());
  double sum = 0;
  for (double& w : weight) {
    w = std::exp(w - largest);
    sum += w;
  }

  const double offset = random.uniform();
  std::vector<std::int32_t> cuts(weight.size() + 1);
  double below = 0;
  for (std::size_t c = 0; c + 1 < weight.size(); ++c) {
    below += weight[c];
    const std::int64_t cut = std::floor(below / sum * total + offset);
    cuts[c + 1] = std::min(cut, total);
  }
  cuts.back() = total;
  return cuts;
}

}  // namespace shoal
