#pragma once
// Facts about the start of a run.

#include <map>
#include <string>

namespace shoal {

/// Facts about this process: `date` (UTC), `command` as it would be typed, and `machine`.
std::map<std::string, std::string> origin();

}  // namespace shoal
