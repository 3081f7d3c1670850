#pragma once
// Turns the engine's records and tensors into the rows that are written.

#include <vector>

#include "sim/nn/layout.hpp"
#include "sim/random.hpp"
#include "sim/record/cell_journal.hpp"
#include "sim/round/round_record.hpp"

namespace shoal {

/// The rows of a round. Measures that have a column of their own in RoundRow go there; figures of participations that
/// were not committed are NaN.
RoundRows round_rows(const RoundRecord& record);

/// Leaves out rows of participations, with their figures, so that this share of them stays. Whether one stays depends
/// on the key, the client and the participation alone.
void thin_out(RoundRows& rows, double share, RandomKey key);

/// The named parameters inside the flat vector `params` [d], copied to the host.
std::vector<ModelParameter> model_parameters(const ParameterLayout& layout, const at::Tensor& params);

}  // namespace shoal
