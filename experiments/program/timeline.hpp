#pragma once
// The virtual timeline of a cell for Perfetto (ui.perfetto.dev) and chrome://tracing.

#include <string>

#include "sim/record/cell_journal.hpp"

namespace shoal {

/// Chrome's trace event format, JSON: server rounds on one track, participations on as few other tracks as keep
/// simultaneous ones apart; colour and arguments tell how each ended. Times are virtual microseconds, the format's
/// own unit.
std::string timeline_json(const CellContents& cell);

}  // namespace shoal
