#pragma once
// `shoal list` and `shoal explain`: what there is and what it reads.

#include <string>

namespace shoal {

/// All parts by kind, one line each.
std::string list_parts();

/// What the part does, its source, and its settings with defaults; for a section that is no part ("local"), its
/// settings. UserError with the nearest name when there is nothing of that name.
std::string explain(const std::string& name);

}  // namespace shoal
