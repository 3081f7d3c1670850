// What does a whole round cost on one core, beside the same clients in a bare loop: (a) autograd, (b) by hand?
//
//   OMP_NUM_THREADS=1 MKL_NUM_THREADS=1 SHOAL_DATA=... build/release/bench/rounds
//
// The workloads are bench/w*.toml on MNIST (skipped without it). Bound: (b), which also sums the updates, in float.
#include "bench/plain_loops.hpp"
#include "experiments/experiment.hpp"

namespace {

using namespace shoal;
using namespace shoal::bench;

void shoal_round(benchmark::State& state, const char* file, std::int64_t cohort) {
  at::set_num_threads(1);
  Datasets datasets;
  std::unique_ptr<Experiment> experiment;
  try {
    experiment =
        std::make_unique<Experiment>(compose(Settings::load(std::string(SHOAL_BENCH_DIR) + "/" + file), datasets));
  } catch (const UserError& error) {
    state.SkipWithError(error.what());
    return;
  }
  const std::unique_ptr<Communicator> alone = single_rank();
  FederationState run(experiment->federation, 1, 0);
  Crew crew(*experiment->federation.task, 1);
  for (auto _ : state) benchmark::DoNotOptimize(run_round(experiment->federation, run, *alone, crew));
  state.counters["clients/s"] =
      benchmark::Counter(static_cast<double>(cohort), benchmark::Counter::kIsIterationInvariantRate);
}

#define SHOAL_ROUND(name, cohort, model, scores, step)                                                     \
  BENCHMARK_CAPTURE(autograd_clients, name, models::model, scores, cohort)->Unit(benchmark::kMillisecond); \
  BENCHMARK_CAPTURE(explicit_clients, name, models::model, static_cast<step*>(nullptr), cohort)            \
      ->Unit(benchmark::kMillisecond);                                                                     \
  BENCHMARK_CAPTURE(shoal_round, name, #name ".toml", cohort)->Unit(benchmark::kMillisecond)
SHOAL_ROUND(w1, 100, mlp, dense_model, DenseByHand);
SHOAL_ROUND(w2, 20, cnn_fedjax, cnn_model, CnnByHand);
SHOAL_ROUND(w3, 10, logistic_regression, dense_model, DenseByHand);
SHOAL_ROUND(w3x, 100, logistic_regression, dense_model, DenseByHand);
#undef SHOAL_ROUND

}  // namespace

BENCHMARK_MAIN();
