#pragma once
// The process that the user started with --ranks: it stays, as the parent of mpirun and its ranks.
//
//     shoal run FILE --ranks 3          passes on signals and output, watches, reports, and returns the run's exit code
//       mpirun                          in a process group of its own, so that a terminal's Ctrl-C does not reach it
//         shoal run FILE --ranks 3      three times; each beats on a socket to the first (starter_link.hpp)

#include <string>
#include <vector>

namespace shoal {

/// The most ranks that may be started on a machine of so many cores: more would only fill its memory.
int most_ranks(int cores);

/// UserError if the machine has far too few cores for `ranks`, unless a batch system or a host file names others.
void check_cores(int ranks);

/// The line that a user types to get the same command; `more` follows its arguments.
std::string command_line(const std::vector<std::string>& arguments, const std::string& more);

/// Runs `mpirun -n ranks program arguments` to its end. The first SIGINT, SIGTERM or SIGHUP asks every rank to save and
/// stop, a second one ends them. A rank that dies or does not answer is named on stderr, with `again`, the command that
/// continues. Returns the exit code. SystemError when mpirun cannot be started.
int start_ranks(int ranks, const std::vector<std::string>& arguments, const std::string& again);

}  // namespace shoal
