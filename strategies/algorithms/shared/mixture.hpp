#pragma once
// A learnable mixture of clients' models, shrunk as a whole: x = gamma sum_i lambda_i y_i with gamma = e^g and lambda =
// softmax(a). Li et al., ICML 2023 (arXiv 2302.10911), section 5.

#include <algorithm>
#include <cmath>
#include <span>
#include <vector>

namespace shoal::algorithms {

struct Mixture {
  std::vector<double> logits;  // a, one per client
  double log_shrink = 0;       // g

  /// The mixture whose lambda are these weights, with gamma = 1.
  explicit Mixture(std::span<const double> weights) {
    for (const double weight : weights) logits.push_back(std::log(weight));
  }

  double shrink() const { return std::exp(log_shrink); }
  std::vector<double> lambda() const {
    const double largest = *std::ranges::max_element(logits);
    std::vector<double> lambda;
    double sum = 0;
    for (const double a : logits) sum += lambda.emplace_back(std::exp(a - largest));
    for (double& share : lambda) share /= sum;
    return lambda;
  }
  /// The gradient with respect to the logits and then log_shrink, from the products of the loss's gradient at x with
  /// each y_i (or with y_i less one vector that is the same for all) and with x.
  std::vector<double> gradient(std::span<const double> with_clients, double with_model) const {
    const std::vector<double> own = lambda();
    double mean = 0;
    for (std::size_t i = 0; i < own.size(); ++i) mean += own[i] * with_clients[i];
    std::vector<double> gradient;
    for (std::size_t i = 0; i < own.size(); ++i) gradient.push_back(shrink() * own[i] * (with_clients[i] - mean));
    gradient.push_back(with_model);
    return gradient;
  }
  void add(std::span<const double> step) {
    for (std::size_t i = 0; i < logits.size(); ++i) logits[i] += step[i];
    log_shrink += step.back();
  }
};

}  // namespace shoal::algorithms
