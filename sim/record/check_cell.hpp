#pragma once
// Whether what a file says of a cell could have come from a run: files of strangers are checked once, when they are
// read, and not by each user of the rows.

#include <string>
#include <string_view>

#include "sim/record/cell_journal.hpp"

namespace shoal {

/// UserError naming `path`, the table, the row and the column of the first number that no run writes: counts and times
/// below zero or beyond what the engine counts to, rounds that go backwards, an end before its start, flags that are
/// neither 0 nor 1, facts of the provenance that are no number, texts with control characters. Linear in the rows.
void check_cell(const CellContents& cell, const std::string& path);

/// Whether a text holds no control characters, which could do anything to a terminal.
bool is_printable(std::string_view text);

}  // namespace shoal
