#pragma once
// Recorded availability as files (HDF5).

#include <string>

#include "datasets/traces/trace.hpp"

namespace shoal {

/// Maps a trace file read-only and checks all of it once: layout, sizes against the file's, its digest, order of
/// intervals. UserError. Replacing the file by another, as `shoal trace` does, leaves the mapping as it is. A file that
/// is cut off in place ends in an error of TraceView::at or in the system's signal for missing pages, since periods
/// come last in the file; one that is overwritten in place is not noticed.
MappedTrace map_trace(const std::string& path);
/// Writes a trace file, completely or not at all.
void write_trace(const Trace& trace, const std::string& path);

}  // namespace shoal
