#include "experiments/program/python.hpp"

#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>

#include "sim/error.hpp"

namespace shoal {
namespace {

namespace fs = std::filesystem;

// Looks for the packages without loading them, so that a missing one is one line instead of a trace of calls.
constexpr const char* bootstrap = R"(
import importlib.util, runpy, sys
del sys.argv[0]
needed = ("numpy", "pandas", "h5py", "scipy", "matplotlib", "jinja2", "tqdm", "shoal")
missing = [name for name in needed if importlib.util.find_spec(name) is None]
if missing:
    print(f"shoal: {sys.executable} has no package {', '.join(missing)}. Run experiments/setup in a checkout of Shoal, or "
          f"'{sys.executable} -m pip install CHECKOUT/experiments/python'.", file=sys.stderr)
    sys.exit(2)
runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
)";

// The checkout in which the program was built; empty for an installed program.
fs::path checkout(const fs::path& program) {
  for (fs::path folder = program.parent_path(); folder != folder.root_path(); folder = folder.parent_path()) {
    std::error_code ignored;
    if (fs::exists(folder / "experiments/python/shoal", ignored)) return folder;
  }
  return {};
}

std::string python_for(const fs::path& home) {
  if (const char* wanted = std::getenv("SHOAL_PYTHON"); wanted != nullptr && *wanted != '\0') return wanted;
  const fs::path own = home / ".venv/bin/python";
  return !home.empty() && access(own.c_str(), X_OK) == 0 ? own.string() : "python3";
}

}  // namespace

void become_python(const std::string& module, const std::vector<std::string>& arguments) {
  const fs::path program = fs::read_symlink("/proc/self/exe"), home = checkout(program);
  const std::string python = python_for(home);
  setenv("SHOAL_PROGRAM", program.c_str(), 1);  // the program that reads journals for the package
  setenv("PYTHONSAFEPATH", "1", 1);             // modules in the working folder are other people's
  if (!home.empty()) {
    const char* further = std::getenv("PYTHONPATH");
    const std::string path = (home / "experiments/python").string() + (further ? std::string(":") + further : "");
    setenv("PYTHONPATH", path.c_str(), 1);
  }
  std::vector<std::string> command = {python, "-c", bootstrap, module};
  command.insert(command.end(), arguments.begin(), arguments.end());
  std::vector<char*> argv;
  for (std::string& argument : command) argv.push_back(argument.data());
  argv.push_back(nullptr);
  std::fflush(nullptr);
  execvp(argv[0], argv.data());
  user_error("cannot start '{}': {}. Install Python 3.11 or later, or set SHOAL_PYTHON to its path.", python,
             std::strerror(errno));
}

}  // namespace shoal
