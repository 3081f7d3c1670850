#include "experiments/program/plan/plan_measure.hpp"

#include <ATen/core/grad_mode.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>

#include "sim/round/train_block.hpp"

namespace shoal {
namespace {

constexpr double most_flops = 2e8;  // of one measured block: 5 to 100 ms

// The block of clients around the median work.
std::vector<Participation> median_clients(const RoundsPlan& rounds, const Task& task, const LocalSettings& local) {
  std::vector<Participation> sorted = rounds.first;
  std::ranges::sort(sorted, {}, [&](const Participation& p) { return local_flops(task.work(p.client), local, 1); });
  const auto count = std::min(local.block, std::ssize(sorted));
  const auto first = sorted.begin() + (std::ssize(sorted) - count) / 2;
  return {first, first + count};
}

double flops_of(const std::vector<Participation>& clients, const Task& task, const LocalSettings& local) {
  double flops = 0;
  for (const Participation& p : clients) flops += local_flops(task.work(p.client), local, p.fraction);
  return flops;
}

// As many steps as fit.
void shorten(LocalSettings& local, const std::vector<Participation>& clients, const Task& task) {
  const double whole = flops_of(clients, task, local);
  if (whole <= most_flops) return;
  LocalSettings one = local;
  one.steps = 1;
  local.steps = std::max<std::int64_t>(1, static_cast<std::int64_t>(most_flops / flops_of(clients, task, one)));
}

// The shortest of two to four calls, the first of which is slow; only one where it took longer than `seconds`.
template <class Work>
double time_of(double seconds, const Work& work) {
  double best = 0;
  for (int attempt = 0; attempt < 4; ++attempt) {
    const double begin = processor_seconds();
    work();
    const double took = processor_seconds() - begin;
    best = attempt == 0 ? took : std::min(best, took);
    if (took > seconds || (attempt > 0 && took > seconds / 4)) break;
  }
  return best;
}

}  // namespace

double Measured::run_seconds(const Process& process, const RoundsPlan& rounds, std::int64_t ranks) const {
  const auto count = static_cast<double>(rounds.rounds);
  const Schedule& schedule = process.schedule();
  const std::int64_t evaluations = (rounds.rounds + schedule.evaluate_every - 1) / schedule.evaluate_every;
  const std::int64_t chunks = evaluations * process.federation()->task->chunks(split_named(schedule.evaluate_on));
  const double shared =
      rounds.to_all_rounds(rounds.flops) * seconds_per_flop + static_cast<double>(chunks) * evaluation_seconds;
  return rounds.to_all_rounds(rounds.seconds) + count * server_seconds + shared / static_cast<double>(ranks);
}

Measured measure(const Federation& parts, const RoundsPlan& rounds, Split evaluated, double seconds) {
  const at::NoGradGuard no_gradients;
  const Task& task = *parts.task;
  const std::int64_t before = resident_bytes();
  FederationState state(parts, 1, 0);
  const std::unique_ptr<Communicator> comm = single_rank();
  Trainers trainers(task, 1);
  LocalSettings local = parts.local->at(1);
  const std::vector<Participation> clients = median_clients(rounds, task, local);
  shorten(local, clients, task);
  RoundPlan plan{.starts = clients};
  for (const Participation& p : clients) plan.commits.push_back({p.id});
  const PlannedRound round{.local = local,
                           .channels = parts.channels(),
                           .world = make_world(parts, state, local),
                           .plan = std::move(plan),
                           .committed = clients};

  Measured result;
  const RoundTraining training(parts, state, round, *comm);
  std::unique_ptr<Collector> collector;
  const double trained = time_of(seconds / 2, [&] {
    collector = parts.aggregator->open(training.sums());
    trainers.for_each(training.commits().size(), [&](int, std::size_t i, Trainer& trainer) {
      training.train(training.commits()[i], trainer, *collector);
    });
  });
  result.seconds_per_flop = trained / flops_of(clients, task, local);

  if (task.chunks(evaluated) > 0) {
    result.evaluation_seconds = time_of(seconds / 4, [&] {
      trainers.for_each(
          1, [&](int, std::size_t, Trainer& trainer) { trainer.evaluate(state.strategy.params(), {evaluated, 0}); });
    });
  }

  const ServerContext context{task.layout(), task.clients(), 1, random_key(parts.seed, "stage/noise")};
  result.server_seconds = time_of(seconds / 4, [&] {
    std::vector<Aggregate> groups = collector->finish(*comm);
    for (Aggregate& group : groups) training.server_side(group, state, context);
    parts.strategy->server_update(state.strategy, groups, context);
  });
  result.training_bytes = std::max<std::int64_t>(0, resident_bytes() - before);
  return result;
}

std::int64_t resident_bytes() {
  std::ifstream file("/proc/self/statm");
  std::int64_t total = 0, resident = 0;
  file >> total >> resident;
  return resident * sysconf(_SC_PAGESIZE);
}

}  // namespace shoal
