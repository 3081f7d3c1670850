#pragma once
// Whether a model fits into memory, before anything is allocated for it.

#include <cstdint>
#include <string_view>

#include "sim/nn/layout.hpp"
#include "sim/settings/settings.hpp"

namespace shoal {

/// Bytes that this process can still take: the least of what the machine, its control group and the limit of its
/// address space leave.
double available_memory();

/// Bytes that any rank needs at least to train a model: the server's parameters, and for one client its parameters,
/// gradient and update, and the exact sum. A floating-point number, since sizes may exceed 2^63.
double least_memory(const ParameterLayout& layout);

/// Throws UserError if `available` bytes are less than the model needs. `section` describes it; its keys are named.
void require_memory(const ParameterLayout& layout, const Settings& section, double available);

}  // namespace shoal
