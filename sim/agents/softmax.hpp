#pragma once
// The softmax of a policy, in double: forward from logits and backward from log-probabilities.

#include <span>

namespace shoal {

/// Turns logits into log-probabilities, in place: z - (max z + log sum exp(z - max z)).
void log_softmax(std::span<double> logits);

/// Log-probabilities of float logits at a temperature: (z / temperature - max) - log sum exp. It rounds in other places
/// than the function above, so bits differ even at temperature 1.
void log_softmax(std::span<const float> logits, double temperature, std::span<double> log_p);

/// Turns derivatives with respect to log-probabilities into those with respect to logits, in place: s_v - p_v sum s.
void softmax_backward(std::span<const double> log_p, std::span<double> slopes);

}  // namespace shoal
