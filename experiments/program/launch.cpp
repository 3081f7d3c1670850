#include "experiments/program/launch.hpp"

#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <string_view>

#include "experiments/program/run/progress.hpp"
#include "sim/error.hpp"

namespace shoal {
namespace {

constexpr const char* terminal_variable = "SHOAL_TERMINAL";

std::string own_path() {
  std::string path(4096, '\0');
  const ssize_t length = readlink("/proc/self/exe", path.data(), path.size());
  if (length <= 0) system_error("cannot find the program's own path: {}", std::strerror(errno));
  path.resize(length);
  return path;
}

}  // namespace

bool under_launcher() {
  for (const char* name : {"OMPI_COMM_WORLD_SIZE", "PMI_RANK", "PMIX_RANK", "PMI_SIZE"}) {
    if (std::getenv(name) != nullptr) return true;
  }
  return false;
}

bool speaks_for_all() {
  for (const char* name : {"OMPI_COMM_WORLD_RANK", "PMIX_RANK", "PMI_RANK"}) {
    if (const char* rank = std::getenv(name)) return std::string_view(rank) == "0";
  }
  return true;
}

void note_terminal() {
  setenv(terminal_variable, isatty(STDOUT_FILENO) == 1 ? "1" : "0", 1);
  setenv("COLUMNS", std::to_string(terminal_width(stdout)).c_str(), 1);  // a rank behind a pipe cannot find it out
}

// The rank's own stdout cannot answer this: it is a pipe or mpirun's pseudo-terminal.
bool on_terminal() {
  const char* value = std::getenv(terminal_variable);
  return value != nullptr && std::string_view(value) == "1";
}

void launch_ranks(int ranks, const std::vector<std::string>& arguments) {
  // A waiting rank yields its core: otherwise other processes on the machine delay each message by a time slice, 10 ms.
  setenv("OMPI_MCA_mpi_yield_when_idle", "1", 0);
  // More ranks than cores is a normal way to test; threads of a rank must not be bound to one core.
  std::vector<std::string> command = {"mpirun",          "--quiet",   "-n",  std::to_string(ranks),
                                      "--oversubscribe", "--bind-to", "none"};
  if (geteuid() == 0) command.emplace_back("--allow-run-as-root");
  command.push_back(own_path());
  command.insert(command.end(), arguments.begin(), arguments.end());
  std::vector<char*> argv;
  for (std::string& argument : command) argv.push_back(argument.data());
  argv.push_back(nullptr);
  execvp(argv[0], argv.data());
  system_error("cannot start mpirun: {}. Install Open MPI (package openmpi-bin).", std::strerror(errno));
}

std::string processor() {
  std::ifstream info("/proc/cpuinfo");
  std::string line, name = "unknown", family;
  while (std::getline(info, line) && !line.empty()) {
    const std::size_t colon = line.find(": ");
    if (colon == std::string::npos) continue;
    if (line.starts_with("model name")) name = line.substr(colon + 2);
    if (line.starts_with("cpu family")) family = line.substr(colon + 2);
    if (line.starts_with("model\t")) family += fmt::format(".{}", line.substr(colon + 2));
  }
  return fmt::format("{} ({})", name, family);
}

}  // namespace shoal
