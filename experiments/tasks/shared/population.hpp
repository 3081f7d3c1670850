#pragma once
// From [population] to the clients of an experiment.

#include <cstdint>

#include "sim/clients/population.hpp"

namespace shoal {

/// The population that `section` describes, with the devices and the availability that it names.
Population make_population(const Settings& section, std::uint64_t seed, std::int64_t clients);

}  // namespace shoal
