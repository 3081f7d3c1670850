// How long does a small run take from the start of its process to the end, and how much memory does a rank need?
//
//   SHOAL_DATA=... build/release/bench/start
//
// Runs the program for one round: on ten million clients (bench/scale.toml, cohort 1,000; aim: 1 s, 300 MB), and on
// MNIST (bench/w3.toml; aim: 0.5 s). `peak_MB` is the largest resident set of any of its processes. The bound is
// `shoal --version`, which loads the libraries and ends.
#include <benchmark/benchmark.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <vector>

namespace {

namespace fs = std::filesystem;

// Returns the exit status as waitpid gives it.
int run(std::vector<std::string> arguments, rusage& used) {
  arguments.insert(arguments.begin(), SHOAL_PROGRAM);
  std::vector<char*> pointers;
  for (std::string& argument : arguments) pointers.push_back(argument.data());
  pointers.push_back(nullptr);
  const pid_t child = ::fork();
  if (child == 0) {
    const int nowhere = ::open("/dev/null", O_WRONLY);
    ::dup2(nowhere, STDOUT_FILENO);
    ::execv(SHOAL_PROGRAM, pointers.data());
    ::_exit(127);
  }
  int status = 0;
  ::wait4(child, &status, 0, &used);
  return status;
}

void whole_process(benchmark::State& state, const std::vector<std::string>& arguments) {
  double peak = 0;
  for (auto _ : state) {
    rusage used{};
    const auto begin = std::chrono::steady_clock::now();
    const int status = run(arguments, used);
    state.SetIterationTime(std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count());
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
      state.SkipWithError("the program failed");
      return;
    }
    peak = std::max(peak, used.ru_maxrss * 1024 / 1e6);
  }
  state.counters["peak_MB"] = peak;
}

}  // namespace

int main(int argc, char** argv) {
  const std::string folder = fs::temp_directory_path() / ("shoal-bench-" + std::to_string(::getpid()));
  fs::create_directory(folder);
  const auto add = [&](const std::string& name, const std::vector<std::string>& arguments) {
    benchmark::RegisterBenchmark(name.c_str(),
                                 [arguments](benchmark::State& state) { whole_process(state, arguments); })
        ->Iterations(5)
        ->UseManualTime()
        ->Unit(benchmark::kMillisecond);
  };
  const auto one_round = [&](const std::string& file, int ranks) {
    std::vector<std::string> arguments = {
        "run", std::string(SHOAL_BENCH_DIR) + "/" + file, "--set", "rounds=1", "--out", folder + "/run.h5"};
    if (ranks > 1) arguments.insert(arguments.end(), {"--ranks", std::to_string(ranks)});
    return arguments;
  };
  add("nothing", {"--version"});
  for (const int ranks : {1, 2}) {
    const std::string on = "/ranks:" + std::to_string(ranks);
    add("ten_million_clients" + on, one_round("scale.toml", ranks));
    if (std::getenv("SHOAL_DATA") != nullptr) add("mnist" + on, one_round("w3.toml", ranks));
  }
  benchmark::Initialize(&argc, argv);
  benchmark::RunSpecifiedBenchmarks();
  fs::remove_all(folder);
}
