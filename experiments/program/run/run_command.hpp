#pragma once
// The commands that train, `shoal run` and `shoal verify`: in this process, under mpirun, or by starting mpirun.

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
  bool json = false;  // print one JSON object on stdout, and progress on stderr
};

/// Returns the exit code. `arguments` are those of this process, with which its ranks are started if --ranks is given.
int run(const RunCommand& command, const std::vector<std::string>& arguments);

}  // namespace shoal
