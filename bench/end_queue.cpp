// How many events of the virtual clock does one core handle? The hold model: the earliest of n events is removed and
// another is inserted. Aim: 2 million per second. For comparison, a bare heap of 16-byte entries does the same.

#include <benchmark/benchmark.h>

#include <queue>

#include "sim/random.hpp"
#include "sim/round/end_queue.hpp"

namespace shoal {
namespace {

constexpr std::int64_t mean_duration = 60'000'000;  // virtual microseconds

std::vector<Ticks> durations(std::int64_t count) {
  RandomStream random(random_key(1, "clients/speed"), 0);
  std::vector<Ticks> drawn;
  for (std::int64_t i = 0; i < count; ++i) {
    drawn.push_back(Ticks{1 + static_cast<std::int64_t>(-mean_duration * std::log(1 - random.uniform()))});
  }
  return drawn;
}

constexpr std::int64_t drawn = 1 << 16;

void hold(benchmark::State& state) {
  const std::int64_t pending = state.range(0);
  const std::vector<Ticks> lasts = durations(drawn);
  std::int64_t id = 0;
  const auto event = [&](Ticks now, ClientId client) {
    const Ticks end = now + lasts[id % drawn];
    return ParticipationEnd{end, id % 10 == 0 ? EndKind::dropout : EndKind::arrival, client, ParticipationId{id++}};
  };
  std::vector<ParticipationEnd> events;
  while (id < pending) events.push_back(event(Ticks{}, ClientId{id}));
  EndQueue queue(std::move(events));
  for (auto _ : state) {
    const ParticipationEnd ended = queue.pop();
    queue.push(event(ended.time, ended.client));
    benchmark::DoNotOptimize(ended);
  }
  state.counters["events/s"] = benchmark::Counter(state.iterations(), benchmark::Counter::kIsRate);
}

void bare_heap(benchmark::State& state) {
  const std::vector<Ticks> lasts = durations(drawn);
  using Entry = std::pair<std::int64_t, std::int64_t>;
  std::priority_queue<Entry, std::vector<Entry>, std::greater<>> queue;
  for (std::int64_t i = 0; i < state.range(0); ++i) {
    queue.emplace(value(lasts[i % drawn]), i);
  }
  std::int64_t next = 0;
  for (auto _ : state) {
    const Entry ended = queue.top();
    queue.pop();
    queue.emplace(ended.first + value(lasts[next++ % drawn]), ended.second);
    benchmark::DoNotOptimize(ended);
  }
  state.counters["events/s"] = benchmark::Counter(state.iterations(), benchmark::Counter::kIsRate);
}

BENCHMARK(hold)->Arg(100)->Arg(10'000)->Arg(1'000'000);
BENCHMARK(bare_heap)->Arg(100)->Arg(10'000)->Arg(1'000'000);

}  // namespace
}  // namespace shoal
