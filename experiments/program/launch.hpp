#pragma once
// How this process was started, as its environment tells, and the machine it runs on.

#include <functional>
#include <string>

namespace shoal {

/// The value of an environment variable, or null: `std::getenv`, or a table in tests.
using Environment = std::function<const char*(const char*)>;

/// The launcher that started this process as one of several ranks, as its environment tells. Ask before MPI starts,
/// which sets such variables itself.
struct Launch {
  std::string variable;  // by which it is known; empty: no launcher
  int size = 0;          // ranks that it started; 0: it does not say
  int rank = -1;         // this one's number; -1: it does not say
  bool has_mpi = false;  // false: no launcher, or srun without PMI, so that MPI cannot connect the ranks
};

/// The innermost launcher: mpirun inside a step of srun counts, the step does not. SLURM_NTASKS is the allocation's and
/// decides nothing.
Launch find_launch(const Environment& environment);

/// Refuses a start in which every process would be a world of its own. UserError.
void check_launch(const Launch& launch);

/// Compares the world that MPI found with `launch` and with --ranks (0: not given). UserError.
void check_world(const Launch& launch, int asked, int world_size, int world_rank);

/// True in one of the processes that were started together: the one that prints what concerns all of them.
bool speaks_for_all();

/// Notes in the environment whether stdout is a terminal, for this process and the ranks that it starts.
void note_terminal();

/// Whether the user sees a terminal, as noted; false for ranks that another launcher started.
bool on_terminal();

/// The path of this program's file.
std::string own_path();

/// The processor's name, as recorded in the run's provenance.
std::string processor();

}  // namespace shoal
