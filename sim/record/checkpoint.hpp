#pragma once
// Where a cell stands, so that it can go on: after a kill, on any number of ranks, to the same bits.
//
// Beside the cell's journal stand `STEM.round-N.state` (everything that is the same on every rank, and the journal's
// length) and, where clients remember anything, `STEM.round-N.memory-R` of each rank. Every file carries the hash of
// its content; the state file names the hashes of the others and is written last, so a checkpoint is whole or it is not
// there. The newest two are kept.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "sim/comm/communicator.hpp"
#include "sim/round/process.hpp"

namespace shoal {

/// Writes the state after `process.round()` rounds and removes all but the newest two. Collective over the cell's
/// ranks. `journal_length` counts at rank 0. SystemError when a file cannot be written; what stood there before stays.
void write_checkpoint(const std::string& stem, Process& process, std::uint64_t journal_length, Communicator& comm);

struct Resumed {
  std::optional<std::uint64_t> journal_length;  // where the journal goes on; none: there is no usable checkpoint
  std::vector<std::string> damaged;             // newer checkpoints that could not be used, and why
};

/// Brings `process`, which has been started and has made no step, to the newest whole checkpoint whose journal is at
/// most `journal_length` long; none: it is as it was. Client memory goes to its home at the present number of ranks.
/// Collective; the same on every rank.
Resumed read_checkpoint(const std::string& stem, std::uint64_t journal_length, Process& process, Communicator& comm);

/// Removes all checkpoints of a cell. Not collective.
void remove_checkpoints(const std::string& stem);

}  // namespace shoal
