// How fast does one client train on one core, beside (a) LibTorch's autograd and (b) a bare loop of explicit tensor
// operations without any engine?
//
//   OMP_NUM_THREADS=1 MKL_NUM_THREADS=1 build/release/bench/local_training
//
// Bound: (b). The engine is held to 1.15 times (b), and to 0.50 (W1), 0.30 (W3) of (a).
#include "bench/plain_loops.hpp"

namespace {

using namespace shoal;
using namespace shoal::bench;

void train_blocks(benchmark::State& state, std::unique_ptr<Model> (*make)(Settings&), const LocalSettings& local) {
  const Workload w(make);
  const auto trainer = w.task->trainer();
  std::vector<Participation> block(static_cast<std::size_t>(local.block));
  std::int64_t next = 0;
  for (auto _ : state) {
    for (Participation& who : block) {
      who.id = ParticipationId{next};
      who.client = ClientId{next++ % clients};
    }
    trainer->open(block, local);
    benchmark::DoNotOptimize(trainer->fit(w.start, {}).delta);
  }
  report(state, w, local.block);
}

LocalSettings plain_sgd() {
  LocalSettings local;
  local.rate = rate;
  return local;
}

void shoal_client(benchmark::State& state, std::unique_ptr<Model> (*make)(Settings&)) {
  train_blocks(state, make, plain_sgd());
}

/// The form that stores gradients: momentum, weight decay, corrections.
void shoal_momentum(benchmark::State& state, std::unique_ptr<Model> (*make)(Settings&)) {
  LocalSettings local = plain_sgd();
  local.momentum = 0.9;
  train_blocks(state, make, local);
}

/// Time of a block of eight clients.
void shoal_block_of_8(benchmark::State& state, std::unique_ptr<Model> (*make)(Settings&)) {
  LocalSettings local = plain_sgd();
  local.block = 8;
  train_blocks(state, make, local);
}

#define SHOAL_COMPARE(name, model, scores, step)                                                      \
  BENCHMARK_CAPTURE(autograd_clients, name, models::model, scores, 1)->Unit(benchmark::kMicrosecond); \
  BENCHMARK_CAPTURE(explicit_clients, name, models::model, static_cast<step*>(nullptr), 1)            \
      ->Unit(benchmark::kMicrosecond);                                                                \
  BENCHMARK_CAPTURE(shoal_client, name, models::model)->Unit(benchmark::kMicrosecond);                \
  BENCHMARK_CAPTURE(shoal_momentum, name, models::model)->Unit(benchmark::kMicrosecond);              \
  BENCHMARK_CAPTURE(shoal_block_of_8, name, models::model)->Unit(benchmark::kMicrosecond)
SHOAL_COMPARE(w1_mlp, mlp, dense_model, DenseByHand);
SHOAL_COMPARE(w2_cnn, cnn_fedjax, cnn_model, CnnByHand);
SHOAL_COMPARE(w3_logistic_regression, logistic_regression, dense_model, DenseByHand);
#undef SHOAL_COMPARE

}  // namespace

BENCHMARK_MAIN();
