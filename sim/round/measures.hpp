#pragma once
// Named numbers of a round, beside those that every round has.

#include <map>
#include <string>

namespace shoal {

/// What was measured after a round, by name: "accuracy" and "loss" of the server's model, or a metric of the task's
/// own.
using Measures = std::map<std::string, double, std::less<>>;

}  // namespace shoal
