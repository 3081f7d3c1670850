// How fast does one client train on one core, beside (a) LibTorch's autograd and (b) a bare loop of explicit tensor
// operations without any engine?
//
//   OMP_NUM_THREADS=1 MKL_NUM_THREADS=1 build/release/bench/local_training
//
// Workloads W1, W2 and W3 (bench/w*.toml), on MNIST where SHOAL_DATA is set.
// Bound: (b). The engine is held to 1.15 times (b), and to 0.50 (W1), 0.30 (W3) of (a).
#include "bench/plain_loops.hpp"

namespace {

using namespace shoal;
using namespace shoal::bench;

void shoal_client(benchmark::State& state, const char* file, std::unique_ptr<Model> (*make)(Settings&)) {
  const Workload w(file, make);
  train_blocks(state, w, w.local);
  report(state, w, w.local.block);
}

// The form that stores gradients, as momentum, weight decay and corrections need it.
void shoal_momentum(benchmark::State& state, const char* file, std::unique_ptr<Model> (*make)(Settings&)) {
  const Workload w(file, make);
  LocalSettings local = w.local;
  local.momentum = 0.9;
  train_blocks(state, w, local);
  report(state, w, local.block);
}

// Time of a block of eight clients.
void shoal_block_of_8(benchmark::State& state, const char* file, std::unique_ptr<Model> (*make)(Settings&)) {
  const Workload w(file, make);
  LocalSettings local = w.local;
  local.block = 8;
  train_blocks(state, w, local);
  report(state, w, local.block);
}

#define SHOAL_COMPARE(name, model, scores, step)                                                                     \
  BENCHMARK_CAPTURE(autograd_clients, name, #name ".toml", models::model, scores, 1)->Unit(benchmark::kMicrosecond); \
  BENCHMARK_CAPTURE(explicit_clients, name, #name ".toml", models::model, static_cast<step*>(nullptr), 1)            \
      ->Unit(benchmark::kMicrosecond);                                                                               \
  BENCHMARK_CAPTURE(shoal_client, name, #name ".toml", models::model)->Unit(benchmark::kMicrosecond);                \
  BENCHMARK_CAPTURE(shoal_momentum, name, #name ".toml", models::model)->Unit(benchmark::kMicrosecond);              \
  BENCHMARK_CAPTURE(shoal_block_of_8, name, #name ".toml", models::model)->Unit(benchmark::kMicrosecond)
SHOAL_COMPARE(w1, mlp, dense_model, DenseByHand);
SHOAL_COMPARE(w2, cnn_fedjax, cnn_model, CnnByHand);
SHOAL_COMPARE(w3, logistic_regression, dense_model, DenseByHand);
#undef SHOAL_COMPARE

}  // namespace

BENCHMARK_MAIN();
