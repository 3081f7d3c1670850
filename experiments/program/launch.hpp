#pragma once
// How the program gets onto its ranks, and what it runs on.

#include <string>
#include <vector>

namespace shoal {

/// True in a process that mpirun, srun or another launcher started as a rank.
bool under_launcher();

/// True in one of the processes that were started together: the one to say what all of them see.
bool speaks_for_all();

/// Notes in the environment whether stdout is a terminal, for this process and the ranks that it starts.
void note_terminal();

/// Whether the person in front sees a terminal, as noted; false for ranks that somebody else started.
bool on_terminal();

/// Replaces this process by `mpirun -n ranks program arguments`. Throws SystemError when mpirun cannot be started.
[[noreturn]] void launch_ranks(int ranks, const std::vector<std::string>& arguments);

/// The processor's name, as it stands in the run's provenance.
std::string processor();

}  // namespace shoal
