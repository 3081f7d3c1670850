// What does a whole round cost on several ranks, messages included?
//
//   OMP_NUM_THREADS=1 MKL_NUM_THREADS=1 SHOAL_DATA=... mpirun -n 2 build/release/bench/rounds_on_ranks
//
// The workloads are bench/w*.toml. Every rank runs the same fixed number of rounds; the time of a round is that of the
// slowest rank, and only rank 0 reports. `median` is robust against rounds that other work on the machine delays.
// Bound: shoal_round of bench/rounds, divided by the number of ranks.
#include <chrono>
#include <cstring>

#include "bench/plain_loops.hpp"
#include "sim/round/run_round.hpp"

namespace {

using namespace shoal;
using namespace shoal::bench;

double slowest(double seconds, Communicator& world) {
  Bytes mine(sizeof seconds);
  std::memcpy(mine.data(), &seconds, sizeof seconds);
  for (const Bytes& theirs : world.gather_all(mine)) {
    double other = 0;
    std::memcpy(&other, theirs.data(), sizeof other);
    seconds = std::max(seconds, other);
  }
  return seconds;
}

void rounds(benchmark::State& state, Communicator& world, const std::string& file,
            std::unique_ptr<Model> (*model)(Settings&), std::int64_t cohort) {
  using Clock = std::chrono::steady_clock;
  const Workload w(file, model);
  const Federation& federation = w.federation;
  FederationState run(federation, world.size(), world.rank());
  Trainers trainers(*federation.task, 1);
  run_round(federation, run, world, trainers);  // allocates buffers and touches their pages
  std::vector<double> times;
  for (auto _ : state) {
    world.barrier();
    const Clock::time_point begin = Clock::now();
    benchmark::DoNotOptimize(run_round(federation, run, world, trainers));
    times.push_back(slowest(std::chrono::duration<double>(Clock::now() - begin).count(), world));
    state.SetIterationTime(times.back());
  }
  std::ranges::nth_element(times, times.begin() + std::ssize(times) / 2);
  state.counters["median"] = times[times.size() / 2];
  state.counters["ranks"] = world.size();
  report(state, w, cohort);
}

class Silent final : public benchmark::BenchmarkReporter {
 public:
  bool ReportContext(const Context&) override { return true; }
  void ReportRuns(const std::vector<Run>&) override {}
};

}  // namespace

int main(int argc, char** argv) {
  MpiSession session(&argc, &argv);
  const std::unique_ptr<Communicator> world = session.world();
  const auto add = [&](const char* name, std::unique_ptr<Model> (*model)(Settings&), std::int64_t cohort, int times) {
    benchmark::RegisterBenchmark(name,
                                 [&world, name, model, cohort](benchmark::State& state) {
                                   rounds(state, *world, std::string(name) + ".toml", model, cohort);
                                 })
        ->Iterations(times)
        ->UseManualTime()
        ->Unit(benchmark::kMillisecond);
  };
  add("w1", models::mlp, 100, 20);
  add("w2", models::cnn_fedjax, 20, 4);
  add("w3", models::logistic_regression, 10, 300);
  add("w3x", models::logistic_regression, 100, 100);
  benchmark::Initialize(&argc, argv);
  Silent silent;
  benchmark::ConsoleReporter console(benchmark::ConsoleReporter::OO_None);
  benchmark::RunSpecifiedBenchmarks(world->rank() == 0 ? static_cast<benchmark::BenchmarkReporter*>(&console)
                                                       : &silent);
}
