#pragma once
// The names of a checkpoint's files.

#include <cstdint>
#include <string>

namespace shoal {

/// The round of a checkpoint's file, whole or partial, beside the journal called `journal`; -1 for other files.
std::int64_t checkpoint_round(const std::string& journal, const std::string& file);

}  // namespace shoal
