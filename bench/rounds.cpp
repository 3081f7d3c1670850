// What does a whole round cost on one core, beside the same clients in a bare loop: (a) autograd, (b) by hand?
//
//   OMP_NUM_THREADS=1 MKL_NUM_THREADS=1 SHOAL_DATA=... build/release/bench/rounds
//
// The workloads are bench/w*.toml, all three loops on the same images: MNIST, or random ones without SHOAL_DATA. Bound:
// (b), which also sums the updates, in float.
#include "bench/plain_loops.hpp"
#include "sim/round/run_round.hpp"

namespace {

using namespace shoal;
using namespace shoal::bench;

void shoal_round(benchmark::State& state, const char* file, std::unique_ptr<Model> (*model)(Settings&),
                 std::int64_t cohort) {
  const Workload w(file, model);
  const Federation& federation = w.federation;
  const std::unique_ptr<Communicator> alone = single_rank();
  FederationState run(federation, 1, 0);
  Trainers trainers(*federation.task, 1);
  for (auto _ : state) benchmark::DoNotOptimize(run_round(federation, run, *alone, trainers));
  report(state, w, cohort);
}

#define SHOAL_ROUND(name, cohort, model, scores, step)                                                         \
  BENCHMARK_CAPTURE(autograd_clients, name, #name ".toml", models::model, scores, cohort)                      \
      ->Unit(benchmark::kMillisecond);                                                                         \
  BENCHMARK_CAPTURE(explicit_clients, name, #name ".toml", models::model, static_cast<step*>(nullptr), cohort) \
      ->Unit(benchmark::kMillisecond);                                                                         \
  BENCHMARK_CAPTURE(shoal_round, name, #name ".toml", models::model, cohort)->Unit(benchmark::kMillisecond)
SHOAL_ROUND(w1, 100, mlp, dense_model, DenseByHand);
SHOAL_ROUND(w2, 20, cnn_fedjax, cnn_model, CnnByHand);
SHOAL_ROUND(w3, 10, logistic_regression, dense_model, DenseByHand);
SHOAL_ROUND(w3x, 100, logistic_regression, dense_model, DenseByHand);
#undef SHOAL_ROUND

}  // namespace

BENCHMARK_MAIN();
