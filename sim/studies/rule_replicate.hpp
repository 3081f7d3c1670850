#pragma once
// One replicate of the study of users with hidden rules, from the first session to the last.

#include "sim/studies/rule_study.hpp"

namespace shoal {

/// A function of its arguments alone; thread-safe.
RuleStudyOutcome rule_replicate(const RuleStudySettings& settings, const Objective& objective, const Judge& judge,
                                std::uint64_t seed, std::int64_t replicate);

}  // namespace shoal
