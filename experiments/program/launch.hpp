#pragma once
// How the program starts its ranks, and the machine it runs on.

#include <string>
#include <vector>

namespace shoal {

/// True in a process that mpirun, srun or another launcher started as a rank.
bool under_launcher();

/// True in one of the processes that were started together: the one that prints what concerns all of them.
bool speaks_for_all();

/// Notes in the environment whether stdout is a terminal, for this process and the ranks that it starts.
void note_terminal();

/// Whether the user sees a terminal, as noted; false for ranks that another launcher started.
bool on_terminal();

/// Replaces this process by `mpirun -n ranks program arguments`. Throws SystemError when mpirun cannot be started.
[[noreturn]] void launch_ranks(int ranks, const std::vector<std::string>& arguments);

/// The processor's name, as recorded in the run's provenance.
std::string processor();

}  // namespace shoal
