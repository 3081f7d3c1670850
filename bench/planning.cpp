// What does a plan cost? Of ten million clients a cohort of ten thousand available ones is drawn and started, and their
// outcomes are decided. Aim: 50 ms for a diurnal population. For comparison: a cohort of a population that is always
// available, and single queries of a client's availability.

#include <benchmark/benchmark.h>

#include "experiments/program/run/experiment.hpp"
#include "sim/round/placement.hpp"
#include "sim/round/plan_round.hpp"

namespace {

using namespace shoal;

constexpr std::int64_t population_size = 10'000'000, cohort_size = 10'000;

Federation federation(const std::string& population) {
  Datasets datasets;
  const std::string toml = fmt::format(
      "task = {{name = \"quadratic\", clients = {}}}\nplanner = {{cohort = {}, dropout = 0.08}}\npopulation = {}\n",
      population_size, cohort_size, population);
  return *compose(Settings::parse(toml, "bench.toml"), datasets)->federation();
}

std::vector<Probe> no_probes(const std::vector<ClientId>&) { return {}; }

// Plans synchronous rounds at an hour of the virtual day.
void plan(benchmark::State& state, const std::string& population, double hour_of_day) {
  const Federation parts = federation(population);
  const std::map<ParticipationId, Participation> in_flight;
  State planner;
  std::int64_t round = 0, started = 0;
  for (auto _ : state) {
    ++round;
    World world{.task = *parts.task,
                .population = *parts.population,
                .local = parts.local->at(round),
                .seed = parts.seed,
                .round = round,
                .now = ticks(3600 * hour_of_day),
                .message_bytes = 4'000'000,
                .bytes_up = 4'000'000,
                .in_flight = in_flight};
    const RoundPlan plan = ask_planner(*parts.planner, planner, world, no_probes);
    started += std::ssize(plan.starts);
    benchmark::DoNotOptimize(plan);
  }
  state.counters["cohort"] = 1.0 * started / round;
  state.counters["starts/s"] = benchmark::Counter(started, benchmark::Counter::kIsRate);
}

void availability(benchmark::State& state, const std::string& population) {
  const Federation parts = federation(population);
  std::int64_t client = 0, on = 0;
  for (auto _ : state) {
    on += parts.population->available(ClientId{client}, ticks(3600)) ? 1 : 0;
    client = (client + 7919) % population_size;
  }
  state.counters["share"] = 1.0 * on / state.iterations();
}

const std::string diurnal = "{availability = {name = \"diurnal\", mean = 0.25, peak_hour = 2}}";
const std::string scarce = "{availability = {name = \"diurnal\", mean = 0.125, peak_hour = 2}}";
const std::string markov = "{availability = {name = \"markov\", mean_on = 3600, mean_off = 10800}}";
const std::string charging =
    "{regions = {zones = [-8, -5, 0, 1, 8]}, limits = {power = \"charging\", idle = true, unmetered = true}}";

// How even is the placement of clients whose work differs up to tenfold?
void placement(benchmark::State& state) {
  RandomStream random(random_key(1, "clients/speed"), 0);
  std::vector<double> costs(1000);
  double total = 0;
  for (double& cost : costs) {
    cost = std::pow(10, random.uniform());
    total += cost;
  }
  const std::size_t ranks = state.range(0);
  std::vector<double> loads(ranks);
  for (auto _ : state) {
    const std::vector<int> owners = place(costs, ranks);
    loads.assign(ranks, 0);
    for (std::size_t i = 0; i < costs.size(); ++i) loads[owners[i]] += costs[i];
  }
  state.counters["busiest/mean"] = std::ranges::max(loads) * ranks / total;
}

std::string everything(const char* power) {
  return fmt::format(
      "{{availability = {{name = \"diurnal\", mean = 0.25, peak_hour = 2}}, regions = {{zones = [-8, -5, 0, 1, 8]}}, "
      "consent = {{general = 0.9, task = 0.8, withdrawals = 0.001}}, limits = {{power = \"{}\", idle = true, "
      "unmetered = true}}}}",
      power);
}

BENCHMARK(placement)->Arg(16)->Arg(64);
BENCHMARK_CAPTURE(plan, always, "{}", 0)->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(plan, diurnal_at_the_peak_40_percent, diurnal, 2)->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(plan, diurnal_at_the_trough_10_percent, diurnal, 14)->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(plan, diurnal_at_the_trough_5_percent, scarce, 14)->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(plan, markov_25_percent, markov, 14)->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(plan, charging_idle_unmetered, charging, 14)->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(plan, diurnal_consent_and_limits, everything("charging"), 2)->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(plan, the_same_with_batteries, everything("charging_or_battery"), 2)->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(availability, diurnal_consent_and_limits, everything("charging"));
BENCHMARK_CAPTURE(availability, diurnal, diurnal);
BENCHMARK_CAPTURE(availability, markov, markov);
BENCHMARK_CAPTURE(availability, charging_idle_unmetered, charging);

}  // namespace
