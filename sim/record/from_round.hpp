#pragma once
// From the engine's records and tensors to the rows that are written.

#include <vector>

#include "sim/record/cell_journal.hpp"
#include "sim/round/federation.hpp"

namespace shoal {

/// With what was measured after the round, where it was.
RoundRow round_row(const RoundRecord& record);
std::vector<ParticipationRow> participation_rows(const RoundRecord& record);

/// The named parameters inside the flat vector `params` [d], copied to the host.
std::vector<ModelParameter> model_parameters(const ParameterLayout& layout, const at::Tensor& params);

}  // namespace shoal
