// Sets the thread counts of LibTorch's libraries before these are initialised.
//
// They read OMP_NUM_THREADS and MKL_NUM_THREADS when they are loaded, so a program that finds them unset must start
// anew. From `main` that would cost LibTorch's 0.2 s of initialisation twice; functions in .preinit_array run before
// those of shared libraries. Where a linker does not know that section, `pin_library_threads` still does the work.

#include <alloca.h>
#include <unistd.h>

#include <cstring>
#include <iterator>

namespace {

bool begins(const char* text, const char* beginning) {
  return std::strncmp(text, beginning, std::strlen(beginning)) == 0;
}

// Libraries are linked but not initialised here: system calls and string functions only.
void pin_early(int, char** argv, char** environment) {
  constexpr const char* wanted[] = {"OMP_NUM_THREADS=1", "MKL_NUM_THREADS=1"};
  std::size_t count = 0;
  std::size_t set = 0;
  for (; environment[count] != nullptr; ++count) {
    for (const char* variable : wanted) set += std::strcmp(environment[count], variable) == 0 ? 1 : 0;
  }
  if (set == std::size(wanted)) return;
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
}

[[gnu::section(".preinit_array"), gnu::used]] void (*const before_libraries)(int, char**, char**) = pin_early;

}  // namespace
