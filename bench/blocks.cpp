// How many clients a second does a block train on one core, beside one client at a time through autograd, and how far
// is that from a matrix product?
//
//   OMP_NUM_THREADS=1 MKL_NUM_THREADS=1 build/release/bench/blocks
//
// Clients of 60 synthetic images, one epoch of batch 10. `of_bound` is the share of the rate that a matrix product of
// 512 x 512 reaches in the same process.
#include "bench/bound.hpp"
#include "bench/plain_loops.hpp"
#include "experiments/calibrate.hpp"

namespace {

using namespace shoal;
using namespace shoal::bench;

double product() {
  static const double rate = product_rate();
  return rate;
}

void report_block(benchmark::State& state, const Workload& w, std::int64_t trained) {
  report(state, w, trained);
  const double flops = w.task->network().flops_per_example() * static_cast<double>(per_client * trained);
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

std::unique_ptr<Model> mlp_of(const char* widths) {
  Settings settings = Settings::parse(fmt::format("widths = {}", widths), "bench");
  return models::mlp(settings);
}
std::unique_ptr<Model> mlp_32(Settings&) { return mlp_of("[32]"); }
std::unique_ptr<Model> mlp_200(Settings&) { return mlp_of("[200]"); }

void block(benchmark::State& state, std::unique_ptr<Model> (*make)(Settings&), BlockForm form) {
  const Workload w(make);
  LocalSettings local;
  local.rate = rate;
  local.block = state.range(0);
  local.form = form;
  const auto trainer = w.task->trainer();
  std::vector<Participation> together(static_cast<std::size_t>(local.block));
  std::int64_t next = 0;
  for (auto _ : state) {
    for (Participation& who : together) {
      who.id = ParticipationId{next};
      who.client = ClientId{next++ % clients};
    }
    trainer->open(together, local);
    benchmark::DoNotOptimize(trainer->fit(w.start, {}).delta);
  }
  report_block(state, w, local.block);
}

/// One client at a time as a plain loop through autograd trains it.
void autograd(benchmark::State& state, std::unique_ptr<Model> (*make)(Settings&), Scores scores) {
  autograd_clients(state, make, scores, 1);
  report_block(state, Workload(make), 1);
}

#define SHOAL_BLOCKS(name, model, scores, most)                                    \
  BENCHMARK_CAPTURE(autograd, name, model, scores)->Unit(benchmark::kMillisecond); \
  BENCHMARK_CAPTURE(block, name##_in_turn, model, BlockForm::in_turn)              \
      ->ArgName("clients")                                                         \
      ->Arg(1)                                                                     \
      ->Arg(8)                                                                     \
      ->Arg(32)                                                                    \
      ->Arg(most)                                                                  \
      ->Unit(benchmark::kMillisecond);                                             \
  BENCHMARK_CAPTURE(block, name##_stacked, model, BlockForm::stacked)              \
      ->ArgName("clients")                                                         \
      ->Arg(8)                                                                     \
      ->Arg(32)                                                                    \
      ->Arg(most)                                                                  \
      ->Unit(benchmark::kMillisecond)
SHOAL_BLOCKS(logistic_regression, models::logistic_regression, dense_model, 128);
SHOAL_BLOCKS(mlp_32, mlp_32, dense_model, 128);
SHOAL_BLOCKS(mlp_200, mlp_200, dense_model, 128);
SHOAL_BLOCKS(mlp_200_200, models::mlp, dense_model, 128);
SHOAL_BLOCKS(cnn_fedjax, models::cnn_fedjax, cnn_model, 128);
#undef SHOAL_BLOCKS
BENCHMARK_CAPTURE(block, cnn_fedjax_grouped, models::cnn_fedjax, BlockForm::grouped)
    ->ArgName("clients")
    ->Arg(8)
    ->Arg(32)
    ->Unit(benchmark::kMillisecond);

}  // namespace

BENCHMARK_MAIN();
