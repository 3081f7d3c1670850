#pragma once
// Softmax cross entropy of rows of scores. Plain loops: for few classes a tensor library's calls cost more than the
// work.

#include <cstdint>
#include <span>

namespace shoal {

/// The loss of one row, -log softmax(scores)[label], and its gradient times `factor` to `gradient`. Scores that are not
/// finite give a loss that is not finite.
double cross_entropy(std::span<const float> scores, std::int32_t label, float factor, std::span<float> gradient);

/// The loss alone.
double cross_entropy(std::span<const float> scores, std::int32_t label);

/// Whether `label` has the largest score, the first of equals counting; false when a score is NaN.
bool is_correct(std::span<const float> scores, std::int32_t label);

}  // namespace shoal
