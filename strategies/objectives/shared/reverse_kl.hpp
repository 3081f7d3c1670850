#pragma once
// The reverse KL divergence to a teacher over some tokens with bins of their own and one bin for all others.

#include <span>
#include <vector>

#include "sim/agents/objective.hpp"

namespace shoal {

/// The k largest of `log_p`, as indices; ties by the lowest index.
std::vector<int> likeliest(std::span<const double> log_p, std::size_t k);

/// sum p (log p - log q) over `tokens` and one bin for the others, p of the student and q of the teacher. Adds
/// `scale` times its derivatives with respect to log p to `gradient` [V].
double reverse_kl(std::span<const int> tokens, std::span<const double> student, std::span<const double> teacher,
                  double scale, double* gradient);

}  // namespace shoal
