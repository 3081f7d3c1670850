#pragma once
// The commands that train: `shoal run` and `shoal verify`, on this process, under mpirun, or starting mpirun
// themselves.

#include <string>
#include <vector>

#include "experiments/program/run/run_grid.hpp"

namespace shoal {

struct RunCommand {
  std::string file;  // experiment, or run file to verify
  std::vector<std::string> sets;
  RunOptions options;
  int ranks = 0;
  bool verify = false;
};

/// Returns the exit code. `arguments` are those of this process: what ranks are started with where --ranks asks for it.
int run(const RunCommand& command, const std::vector<std::string>& arguments);

}  // namespace shoal
