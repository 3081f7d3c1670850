// What does the engine cost per client beyond the arithmetic? A round of the quadratic task (1,000 parameters, one
// local step) for 1,000 of 1,000,000 clients through `run_round`, and beside it the same arithmetic in a bare loop:
// drawing the client's optimum, gradient, step, difference, its largest value, the exact sum. Compare `per_client`; the
// aim is a difference under 10 microseconds. `draw` is the largest part of both.
#include <benchmark/benchmark.h>

#include <ATen/ops/zeros.h>

#include "experiments/program/run/experiment.hpp"
#include "kernels/fixed_point.hpp"
#include "kernels/vector_ops.hpp"
#include "sim/round/run_round.hpp"
#include "sim/task/quadratic.hpp"

namespace {

using namespace shoal;

constexpr std::int64_t cohort = 1000, clients = 1'000'000, dimension = 1000;
constexpr double rate = 0.1;

void report(benchmark::State& state) {
  state.counters["per_client"] =
      benchmark::Counter(cohort, benchmark::Counter::kIsIterationInvariantRate | benchmark::Counter::kInvert);
}

Federation federation_of(const std::string& strategy, std::int64_t block) {
  Datasets none;
  return *compose(Settings::parse(fmt::format(R"(
strategy = "{}"
task = {{name = "quadratic", clients = {}, dimension = {}}}
planner = {{name = "uniform", cohort = {}}}
local = {{steps = 1, rate = {}, block = {}}}
)",
                                              strategy, clients, dimension, cohort, rate, block),
                                  "engine_overhead"),
                  none)
              ->federation();
}

void engine(benchmark::State& state, const std::string& strategy) {
  const Federation parts = federation_of(strategy, state.range(0));
  const auto comm = single_rank();
  FederationState federation(parts, 1, 0);
  Trainers trainers(*parts.task, 1);
  for (auto _ : state) benchmark::DoNotOptimize(run_round(parts, federation, *comm, trainers));
  report(state);
}

Quadratic task() {
  Settings settings = Settings::parse(fmt::format("clients = {}\ndimension = {}", clients, dimension), "task");
  return Quadratic(settings, 1);
}

void draw(benchmark::State& state) {
  const Quadratic quadratic = task();
  std::vector<float> optimum(dimension);
  std::int64_t next = 0;
  for (auto _ : state) {
    for (std::int64_t c = 0; c < cohort; ++c) {
      quadratic.optimum(ClientId{next++ * 997 % clients}, optimum.data());
      benchmark::DoNotOptimize(optimum.data());
    }
  }
  report(state);
}

void bare_loop(benchmark::State& state) {
  const Quadratic quadratic = task();
  std::vector<float> server(dimension), x(dimension), gradient(dimension), optimum(dimension);
  std::vector<std::int64_t> sum(dimension);
  const int exponent = unit_exponent(cohort, 256);
  const SgdStep<float> step{.rate = rate, .anchor = {}, .shift = {}, .buffer = {}};
  std::int64_t next = 0;
  for (auto _ : state) {
    std::ranges::fill(sum, 0);
    for (std::int64_t c = 0; c < cohort; ++c) {
      const ClientId client{next++ * 997 % clients};
      quadratic.optimum(client, optimum.data());
      const float h = quadratic.curvature(client);
      x = server;
      double loss = 0;
      for (std::size_t j = 0; j < x.size(); ++j) {
        const float gap = x[j] - optimum[j];
        gradient[j] = h * gap;
        loss += gradient[j] * gap;
      }
      benchmark::DoNotOptimize(loss);
      sgd_step<float>(x, gradient, step);
      for (std::size_t j = 0; j < x.size(); ++j) x[j] -= server[j];
      benchmark::DoNotOptimize(scan<float>(x).max_abs);
      accumulate<float>(sum, x, 1, exponent);
    }
    to_mean<float>(sum, exponent, cohort, x);
    axpy<float>(server, 1, x);
  }
  report(state);
}

BENCHMARK(draw)->Unit(benchmark::kMillisecond);
BENCHMARK(bare_loop)->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(engine, fed_avg, "fed_avg")->ArgName("block")->Arg(1)->Arg(8)->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(engine, scaffold, "scaffold")->ArgName("block")->Arg(1)->Unit(benchmark::kMillisecond);

}  // namespace

BENCHMARK_MAIN();
