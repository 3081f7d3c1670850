#include "strategies/objectives/shared/reverse_kl.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace shoal {

std::vector<int> likeliest(std::span<const double> log_p, std::size_t k) {
  std::vector<int> order(log_p.size());
  std::iota(order.begin(), order.end(), 0);
  k = std::min(k, order.size());
  std::partial_sort(order.begin(), order.begin() + k, order.end(),
                    [&](int a, int b) { return log_p[a] > log_p[b] || (log_p[a] == log_p[b] && a < b); });
  order.resize(k);
  return order;
}

// The derivative with respect to log p_v is p_v (log p_v - log q_v + 1); the bin's is divided among its tokens in
// proportion to their probability.
double reverse_kl(std::span<const int> tokens, std::span<const double> student, std::span<const double> teacher,
                  double scale, double* gradient) {
  std::vector<bool> apart(student.size());
  double loss = 0, tail_p = 0, tail_q = 0;
  for (const int v : tokens) {
    apart[v] = true;
    const double p = std::exp(student[v]), gap = student[v] - teacher[v];
    loss += p * gap;
    gradient[v] += scale * p * (gap + 1);
  }
  for (std::size_t v = 0; v < student.size(); ++v) {
    if (apart[v]) continue;
    tail_p += std::exp(student[v]);
    tail_q += std::exp(teacher[v]);
  }
  if (!(tail_p > 0 && tail_q > 0)) return loss;
  const double gap = std::log(tail_p) - std::log(tail_q);
  for (std::size_t v = 0; v < student.size(); ++v) {
    if (!apart[v]) gradient[v] += scale * std::exp(student[v]) * (gap + 1);
  }
  return loss + tail_p * gap;
}

}  // namespace shoal
