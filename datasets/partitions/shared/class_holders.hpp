#pragma once
// A choice of classes for every client.

#include <cstdint>
#include <vector>

#include "sim/random.hpp"

namespace shoal {

/// The holders of each class, [classes], in random order: every client holds `per_client` different classes, drawn at
/// random, and no class has two holders more than another. So each class has a holder if clients * per_client reaches
/// `classes`. Needs 1 <= per_client <= classes.
std::vector<std::vector<std::int32_t>> class_holders(std::int64_t clients, std::int64_t per_client,
                                                     std::int64_t classes, RandomStream& random);

}  // namespace shoal
