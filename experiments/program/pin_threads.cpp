// The libraries read OMP_NUM_THREADS and MKL_NUM_THREADS when they are loaded, so a program that finds them unset must
// restart. From `main` that would cost LibTorch's 0.2 s of initialisation twice; functions in .preinit_array run
// before those of shared libraries. Where a linker does not know that section, the call from `main` does the work.

#include "experiments/program/pin_threads.hpp"

#include <alloca.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <iterator>

#include "sim/error.hpp"

namespace shoal {
namespace {

bool begins(const char* text, const char* beginning) {
  return std::strncmp(text, beginning, std::strlen(beginning)) == 0;
}

// True when the environment is as wanted; otherwise restarts the program, and returns false if that fails.
// Libraries may be linked but not initialised: system calls and string functions only.
bool start_pinned(char** argv, char** environment) {
  constexpr const char* wanted[] = {"OMP_NUM_THREADS=1", "MKL_NUM_THREADS=1"};
  std::size_t count = 0;
  std::size_t set = 0;
  for (; environment[count] != nullptr; ++count) {
    for (const char* variable : wanted) set += std::strcmp(environment[count], variable) == 0 ? 1 : 0;
  }
  if (set == std::size(wanted)) return true;
  auto** const pinned = static_cast<const char**>(alloca((count + 3) * sizeof(char*)));
  std::size_t n = 0;
  for (const char* variable : wanted) pinned[n++] = variable;
  for (std::size_t i = 0; i < count; ++i) {
    if (!begins(environment[i], "OMP_NUM_THREADS=") && !begins(environment[i], "MKL_NUM_THREADS=")) {
      pinned[n++] = environment[i];
    }
  }
  pinned[n] = nullptr;
  execve("/proc/self/exe", argv, const_cast<char* const*>(pinned));
  return false;
}

void pin_early(int, char** argv, char** environment) { start_pinned(argv, environment); }

[[gnu::section(".preinit_array"), gnu::used]] void (*const before_libraries)(int, char**, char**) = pin_early;

}  // namespace

void pin_library_threads(char** argv) {
  if (start_pinned(argv, environ)) return;
  system_error("cannot restart the program with one thread per library: {}", std::strerror(errno));
}

}  // namespace shoal
