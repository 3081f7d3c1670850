#include "experiments/program/plan/plan_measure.hpp"

#include <ATen/core/grad_mode.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <optional>

#include "sim/round/finish_session.hpp"
#include "sim/round/personal.hpp"
#include "sim/round/prelude.hpp"
#include "sim/round/server_data.hpp"
#include "sim/round/server_rows.hpp"
#include "sim/round/train_block.hpp"

namespace shoal {
namespace {

constexpr double most_flops = 2e8;     // work of the longer measured training: 5 to 100 ms
constexpr double least_share = 1e-12;  // a single step
constexpr std::int64_t most_personal = 4;

// The block of clients around the median work.
std::vector<Participation> median_clients(const RoundsPlan& rounds, const Task& task, const LocalSettings& local) {
  std::vector<Participation> sorted = rounds.first;
  std::ranges::sort(sorted, {}, [&](const Participation& p) { return local_flops(task.work(p.client), local, 1); });
  const auto count = std::min(local.block, std::ssize(sorted));
  const auto first = sorted.begin() + (std::ssize(sorted) - count) / 2;
  return {first, first + count};
}

// The same clients with a share of their work; each does at least one step.
std::vector<Participation> shortened(std::vector<Participation> clients, double share) {
  for (Participation& p : clients) p.fraction *= share;
  return clients;
}

double flops_of(const std::vector<Participation>& clients, const Federation& parts) {
  const LocalSettings work = parts.strategy->work(parts.local->at(1));  // as plan_rounds counts it
  double flops = 0;
  for (const Participation& p : clients) {
    flops += parts.strategy->operations(parts.task->work(p.client), work, p.fraction);
  }
  return flops;
}

PlannedRound round_of(const std::vector<Participation>& clients, const Federation& parts, FederationState& state) {
  const LocalSettings local = parts.local->at(1);
  RoundPlan plan{.starts = clients};
  for (const Participation& p : clients) plan.commits.push_back({p.id});
  PlannedRound round{.local = local, .world = make_world(parts, state, local), .plan = plan, .committed = clients};
  for (const Participation& p : clients) newest_message(parts, state, p.group);
  round.session = plan_session(round, parts, state.client_side);
  return round;
}

// The processor time of the fastest of two to four calls, the first of which is slow; a single call if that takes
// longer than `seconds`.
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

TrainingCost fit_cost(double short_flops, double short_seconds, double long_flops, double long_seconds) {
  if (long_flops == 0) return {.fixed_seconds = long_seconds};  // clients without work
  const double slope = (long_seconds - short_seconds) / (long_flops - short_flops);
  const double fixed = long_seconds - slope * long_flops;
  // With equal work, or times in the wrong order because of noise, the fixed part is unknown.
  if (!(long_flops > short_flops && slope > 0 && fixed > 0)) return {.seconds_per_flop = long_seconds / long_flops};
  return {.fixed_seconds = fixed, .seconds_per_flop = slope};
}

double Measured::run_seconds(const Process& process, const RoundsPlan& rounds, std::int64_t ranks) const {
  const Schedule& schedule = process.schedule();
  const std::int64_t evaluations = (rounds.rounds + schedule.evaluate_every - 1) / schedule.evaluate_every;
  const std::int64_t chunks = evaluations * process.federation()->task->chunks(schedule.evaluate_on);
  const double training = rounds.committed * client.fixed_seconds + rounds.flops * client.seconds_per_flop;
  const double shared = rounds.to_all_rounds(training) + chunks * evaluation_seconds + evaluations * personal_seconds;
  return rounds.to_all_rounds(rounds.seconds) + rounds.rounds * server_seconds + shared / ranks;
}

TrainingCost measure_training(const TrainShare& train, double full_flops, double seconds) {
  // The fastest of a few calls; of a slow one, the first.
  const auto timed = [&](double share, double limit) {
    TimedTraining best = train(share);
    for (double spent = best.seconds; spent < limit && spent < 3 * best.seconds;) {
      const TimedTraining again = train(share);
      spent += again.seconds;
      if (again.seconds < best.seconds) best = again;
    }
    return best;
  };
  train(0);
  const TimedTraining one_step = timed(0, seconds / 8);
  if (one_step.seconds > seconds / 2 || one_step.flops >= full_flops) {
    return fit_cost(one_step.flops, one_step.seconds, one_step.flops, one_step.seconds);
  }
  // Never the same number of steps: the cost of one step cannot be told from the fixed cost by another single step.
  const double several = std::max(most_flops, 4 * one_step.flops);
  const TimedTraining more = timed(std::min(1.0, several / full_flops), seconds / 2);
  return fit_cost(one_step.flops, one_step.seconds, more.flops, more.seconds);
}

Measured measure(const Federation& parts, const RoundsPlan& rounds, std::string_view evaluated, double seconds,
                 std::int64_t personal_clients) {
  const at::NoGradGuard no_gradients;
  const Task& task = *parts.task;
  const std::int64_t before = resident_bytes();
  FederationState state(parts, 1, 0);
  const std::unique_ptr<Communicator> comm = single_rank();
  Trainers trainers(task, 1);
  std::unique_ptr<Collector> collector;
  at::Tensor reference;
  std::vector<BlockOutcome> outcomes;
  const std::vector<Participation> clients = median_clients(rounds, task, parts.local->at(1));
  const PlannedRound round = round_of(shortened(clients, least_share), parts, state);
  const Prelude prelude = run_prelude(parts, state, round, *comm, trainers);
  const RoundTraining training(parts, state, round, *comm, 0, {}, prelude.messages);
  const auto train = [&](const RoundTraining& which) {
    collector = parts.aggregator->open(which.sums());
    outcomes.resize(which.commits().size());
    trainers.for_each(outcomes.size(), [&](int, std::size_t i, Trainer& trainer) {
      outcomes[i] = which.train(which.commits()[i], trainer, *collector);
    });
  };

  Measured result;
  const auto train_share = [&](double share) {
    const std::vector<Participation> shorter = shortened(clients, std::max(share, least_share));
    const PlannedRound planned = round_of(shorter, parts, state);
    const RoundTraining which(parts, state, planned, *comm, 0, {}, prelude.messages);
    const double begin = processor_seconds();
    run_prelude(parts, state, round, *comm, trainers);
    train(which);
    return TimedTraining{flops_of(shorter, parts), processor_seconds() - begin};
  };
  result.client = measure_training(train_share, flops_of(clients, parts), seconds);
  result.client.fixed_seconds /= std::ssize(clients);
  train(training);
  double reference_seconds = 0;  // every rank trains the same one
  if (training.wants_reference()) {
    reference_seconds = time_of(seconds / 8, [&] {
      trainers.for_each(1, [&](int, std::size_t, Trainer& trainer) { reference = training.train_reference(trainer); });
    });
  }

  if (task.chunks(evaluated) > 0) {
    const ExampleChunk chunk{.set = std::string(evaluated), .index = 0};
    result.evaluation_seconds = time_of(seconds / 4, [&] {
      trainers.for_each(
          1, [&](int, std::size_t, Trainer& trainer) { trainer.evaluate(state.strategy().params(), chunk); });
    });
  }

  personal_clients = std::min(personal_clients, task.clients_with_examples());
  if (const std::int64_t timed = std::min(personal_clients, most_personal); timed > 0) {
    const double took =
        time_of(seconds / 4, [&] { evaluate_personal(parts, state, evaluated, timed, *comm, trainers); });
    result.personal_seconds = took * personal_clients / timed;
  }

  const std::string section = parts.sections().front().name;
  const std::optional<ServerData> server = server_data(task, *comm, trainers);
  const ServerData* data = server ? &*server : nullptr;
  ServerContext context = server_context(parts, state, state.client_side.channels(), section, data);
  // Rows are gone once the session has ended.
  result.server_seconds = time_of(parts.aggregator->needs_rows() ? 0 : seconds / 4, [&] {
    SessionResult session = finish_session(*collector, round, parts, state, *comm, trainers, reference);
    if (!session.aborted.empty()) return;
    training.decode(session.groups, state, outcomes, trainers.pool());
    training.server_side(session.groups, state, data);
    std::optional<ServerRows> rows;
    context.prelude = prelude.groups;
    if (!session.rows.empty()) context.rows = &rows.emplace(std::move(session.rows), state.memory, section);
    parts.strategy->server_update(state.strategy(), session.groups, context);
  });
  result.server_seconds += reference_seconds;
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
