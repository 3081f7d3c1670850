#include "sim/round/part.hpp"

namespace shoal {

std::string scoped(std::string_view section, std::string_view name) { return fmt::format("{}/{}", section, name); }

}  // namespace shoal
