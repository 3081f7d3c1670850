#pragma once
// What messages carry.

#include <cstddef>
#include <vector>

namespace shoal {

using Bytes = std::vector<std::byte>;

}  // namespace shoal
