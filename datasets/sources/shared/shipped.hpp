#pragma once
// The folders of the data sets that come with Shoal.

#include <string>

namespace shoal {

/// The folder of a shipped data set: `datasets/<name>` of the source tree that was built, else, when that is gone,
/// `../share/shoal/<name>` beside the executable's folder. The first of these when neither exists.
std::string shipped_folder(const std::string& name);

}  // namespace shoal
