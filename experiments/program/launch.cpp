#include "experiments/program/launch.hpp"

#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <optional>
#include <string_view>

#include "experiments/program/run/progress.hpp"
#include "sim/error.hpp"

namespace shoal {
namespace {

constexpr const char* terminal_variable = "SHOAL_TERMINAL";

// Nothing if the variable is not set or holds no number.
std::optional<int> number_in(const Environment& environment, const char* variable) {
  const char* text = environment(variable);
  if (text == nullptr) return std::nullopt;
  int number = 0;
  const auto [end, error] = std::from_chars(text, text + std::strlen(text), number);
  return error == std::errc() && *end == '\0' && number >= 0 ? std::optional(number) : std::nullopt;
}

}  // namespace

Launch find_launch(const Environment& environment) {
  const auto number = [&](const char* variable, int otherwise) {
    return number_in(environment, variable).value_or(otherwise);
  };
  // A step's number is set by srun alone; salloc and sbatch set the allocation's variables.
  const bool in_step = environment("SLURM_STEP_ID") != nullptr;
  const int step_tasks = in_step ? number("SLURM_STEP_NUM_TASKS", 0) : 0;
  if (environment("OMPI_COMM_WORLD_SIZE") != nullptr) {
    return {"OMPI_COMM_WORLD_SIZE", number("OMPI_COMM_WORLD_SIZE", 0), number("OMPI_COMM_WORLD_RANK", -1), true};
  }
  for (const char* variable : {"PMI_SIZE", "PMI_RANK"}) {
    if (environment(variable) != nullptr) return {variable, number("PMI_SIZE", 0), number("PMI_RANK", -1), true};
  }
  if (environment("PMIX_RANK") != nullptr) return {"PMIX_RANK", step_tasks, number("PMIX_RANK", -1), true};
  if (step_tasks > 1) return {"SLURM_STEP_NUM_TASKS", step_tasks, number("SLURM_PROCID", -1), false};
  return {};
}

void check_launch(const Launch& launch) {
  if (launch.variable.empty() || launch.has_mpi) return;
  user_error(
      "srun started {} tasks without PMI, so each would run the whole experiment alone. Type 'srun --mpi=pmix' "
      "('srun --mpi=list' shows what there is), or start one task with 'srun -n 1 shoal run FILE --ranks {}'.",
      launch.size, launch.size);
}

void check_world(const Launch& launch, int asked, int world_size, int world_rank) {
  if (launch.size > 0 && launch.size != world_size) {
    user_error(
        "{} says that {} ranks were started, and MPI finds {}: the launcher belongs to another MPI, or the variable is "
        "left over. Type the mpirun of Open MPI or 'srun --mpi=pmix', or 'env -u {} shoal run FILE' for one process.",
        launch.variable, launch.size, world_size, launch.variable);
  }
  if (launch.rank >= 0 && launch.rank != world_rank) {
    user_error(
        "{} says that this is rank {}, and MPI finds rank {} of {}: the variable is left over, or the launcher belongs "
        "to another MPI. Type 'env -u {} shoal run FILE' for one process.",
        launch.variable, launch.rank, world_rank, world_size, launch.variable);
  }
  if (asked == 0 || asked == world_size) return;
  if (world_size == 1) {
    user_error(
        "--ranks {}: {} says that a launcher has started this process, as the only rank. Type 'env -u {} shoal run "
        "FILE --ranks {}' to start {} ranks here, or 'mpirun -n {} shoal run FILE'.",
        asked, launch.variable, launch.variable, asked, asked, asked);
  }
  user_error("--ranks {}: the launcher started {} ranks. Type 'mpirun -n {} shoal run FILE', or leave out --ranks.",
             asked, world_size, asked);
}

bool speaks_for_all() {
  return find_launch([](const char* name) { return std::getenv(name); }).rank <= 0;
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

std::string own_path() {
  std::string path(4096, '\0');
  const ssize_t length = readlink("/proc/self/exe", path.data(), path.size());
  if (length <= 0) system_error("cannot find the program's own path: {}", std::strerror(errno));
  path.resize(length);
  return path;
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
