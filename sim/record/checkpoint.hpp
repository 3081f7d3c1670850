#pragma once
// Checkpoints, from which a cell continues after a kill: on any number of ranks, with the same bits.
//
// A checkpoint lies beside the cell's journal: `STEM.round-N.state` holds everything that is the same on every rank,
// and the journal's length; where clients keep memory, `STEM.round-N.memory-R` holds that of rank R. Every file
// contains the hash of its content; the state file also lists the hashes of the others and is written last, so a
// checkpoint is complete or does not exist. The newest two are kept.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "sim/comm/communicator.hpp"
#include "sim/round/process.hpp"

namespace shoal {

/// Writes the state after `process.round()` rounds and removes all but the newest two. Collective over the cell's
/// ranks. Only rank 0's `journal_length` is used. SystemError when a file cannot be written; earlier checkpoints stay.
void write_checkpoint(const std::string& stem, Process& process, std::uint64_t journal_length, Communicator& comm);

struct Resumed {
  std::optional<std::uint64_t> journal_length;  // the length at which the journal continues; none: no usable checkpoint
  std::vector<std::string> damaged;             // newer checkpoints that could not be used, and why
};

/// Restores `process`, which has been started and has made no step, from the newest complete checkpoint whose journal
/// is at most `journal_length` bytes long (rank 0's counts); without one it stays as it was. Client memory goes to its
/// home for the present number of ranks. Collective; the same on every rank.
Resumed read_checkpoint(const std::string& stem, std::uint64_t journal_length, Process& process, Communicator& comm);

/// Removes all checkpoints of a cell. Not collective.
void remove_checkpoints(const std::string& stem);

}  // namespace shoal
