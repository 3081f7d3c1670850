#pragma once
// From [policy] to the policy of agents.

#include <memory>

#include "sim/agents/policy.hpp"

namespace shoal {

/// The policy that `section` names, opened with the weights that come with the program.
std::unique_ptr<Policy> make_policy(const Settings& section);

}  // namespace shoal
