#pragma once
// The content of messages.

#include <cstddef>
#include <vector>

namespace shoal {

using Bytes = std::vector<std::byte>;

}  // namespace shoal
