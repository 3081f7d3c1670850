// How many clients a second does a block train on one core, beside one client at a time through autograd, and how far
// is that from a matrix product?
//
//   OMP_NUM_THREADS=1 MKL_NUM_THREADS=1 build/release/bench/blocks
//
// Clients of 60 images (MNIST where SHOAL_DATA is set), one epoch of batch 10. `of_bound` is the share of the rate that
// a matrix product of 512 x 512 reaches in the same process.
#include "bench/bound.hpp"
#include "bench/plain_loops.hpp"
#include "experiments/program/calibrate.hpp"

namespace {

using namespace shoal;
using namespace shoal::bench;

double product() {
  static const double rate = product_rate();
  return rate;
}

void report_block(benchmark::State& state, const Workload& w, std::int64_t trained) {
  report(state, w, trained);
  const double flops = w.task->model().flops_per_example() * (per_client * trained);
  state_bound(state, flops, product(), "matrix product");
}

void matrix_product(benchmark::State& state) {
  at::set_num_threads(1);
  constexpr std::int64_t n = 512;
  const at::Tensor a = at::ones({n, n}), b = at::ones({n, n});
  at::Tensor c = at::ones({n, n});
  for (auto _ : state) at::mm_out(c, a, b);
  state.counters["flop/s"] = benchmark::Counter(2.0 * n * n * n, benchmark::Counter::kIsIterationInvariantRate);
}
BENCHMARK(matrix_product)->Unit(benchmark::kMicrosecond);

void block(benchmark::State& state, const char* file, std::unique_ptr<Model> (*make)(Settings&), const char* widths,
           BlockForm form) {
  const Workload w(file, make, widths);
  LocalSettings local = w.local;
  local.block = state.range(0);
  local.form = form;
  train_blocks(state, w, local);
  report_block(state, w, local.block);
}

// One client at a time, trained by a plain loop through autograd.
void autograd(benchmark::State& state, const char* file, std::unique_ptr<Model> (*make)(Settings&), const char* widths,
              Scores scores) {
  autograd_clients(state, file, make, scores, 1, widths);
  report_block(state, Workload(file, make, widths), 1);
}

#define SHOAL_BLOCKS(name, file, model, widths, scores, most)                                            \
  BENCHMARK_CAPTURE(autograd, name, file, models::model, widths, scores)->Unit(benchmark::kMillisecond); \
  BENCHMARK_CAPTURE(block, name##_in_turn, file, models::model, widths, BlockForm::in_turn)              \
      ->ArgName("clients")                                                                               \
      ->Arg(1)                                                                                           \
      ->Arg(8)                                                                                           \
      ->Arg(32)                                                                                          \
      ->Arg(most)                                                                                        \
      ->Unit(benchmark::kMillisecond);                                                                   \
  BENCHMARK_CAPTURE(block, name##_stacked, file, models::model, widths, BlockForm::stacked)              \
      ->ArgName("clients")                                                                               \
      ->Arg(8)                                                                                           \
      ->Arg(32)                                                                                          \
      ->Arg(most)                                                                                        \
      ->Unit(benchmark::kMillisecond)
SHOAL_BLOCKS(logistic_regression, "w3.toml", logistic_regression, nullptr, dense_model, 128);
SHOAL_BLOCKS(mlp_32, "w1.toml", mlp, "[32]", dense_model, 128);
SHOAL_BLOCKS(mlp_200, "w1.toml", mlp, "[200]", dense_model, 128);
SHOAL_BLOCKS(mlp_200_200, "w1.toml", mlp, nullptr, dense_model, 128);
SHOAL_BLOCKS(cnn_fedjax, "w2.toml", cnn_fedjax, nullptr, cnn_model, 128);
#undef SHOAL_BLOCKS
BENCHMARK_CAPTURE(block, cnn_fedjax_grouped, "w2.toml", models::cnn_fedjax, nullptr, BlockForm::grouped)
    ->ArgName("clients")
    ->Arg(8)
    ->Arg(32)
    ->Unit(benchmark::kMillisecond);

}  // namespace

BENCHMARK_MAIN();
