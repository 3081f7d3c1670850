#pragma once
// Where and when a run was started.

#include <map>
#include <string>

namespace shoal {

/// Of this process: `date` (UTC), `command` as it would be typed, and `machine`.
std::map<std::string, std::string> origin();

}  // namespace shoal
