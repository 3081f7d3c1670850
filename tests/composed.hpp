#pragma once
// Builds and runs federations from a few lines of TOML.

#include <gtest/gtest.h>

#include <mutex>
#include <set>
#include <string>

#include "experiments/program/run/experiment.hpp"
#include "sim/digest.hpp"
#include "sim/error.hpp"
#include "sim/record/from_round.hpp"
#include "sim/round/federated_process.hpp"

namespace shoal::test {

/// The parts of a federation and how it would be run, without a process around them.
struct Composed {
  Federation federation;
  FederatedSettings settings;

  std::int64_t rounds() const { return settings.schedule.rounds; }
  const std::string& evaluate_on() const { return settings.schedule.evaluate_on; }
};

inline Composed composed(const Settings& settings) {
  static Datasets datasets;  // read once for all tests of a program
  const std::unique_ptr<Process> process = compose(settings, datasets);
  const auto& federated = dynamic_cast<const FederatedProcess&>(*process);
  return {*federated.federation(), federated.settings()};
}
inline Composed composed(const std::string& toml) { return composed(Settings::parse(toml, "test.toml")); }

/// Adds everything that is recorded of a round.
inline void add_rows(Digest& all, const RoundRows& rows) {
  all.add(std::as_bytes(std::span(&rows.round, 1))).add(std::as_bytes(std::span(rows.participations)));
  all.add(std::as_bytes(std::span(rows.figures.values)));
  for (const auto& [name, value] : rows.measures) all.add(name).add(value);
  for (const auto& [name, table] : rows.tables) all.add(name).add(std::as_bytes(std::span(table.values)));
}

/// The number of ranks, and of threads per rank, that share the work.
struct Hands {
  int ranks = 1, threads = 1;
};

/// The result of a process: its model, and a hash of everything that it recorded.
struct Finished {
  at::Tensor model;
  std::string bits;
};

/// Runs the process of an experiment to its end. Every rank must end with the same bits.
inline Finished finished(const Settings& settings, Hands hands = {}) {
  Finished result;
  std::mutex mutex;
  std::set<std::string> bits;
  run_on_threads(hands.ranks, [&](Communicator& comm) {
    Datasets datasets;
    const std::unique_ptr<Process> process = compose(settings.clone(), datasets);
    const std::unique_ptr<ThreadPool> pool = make_thread_pool(hands.threads);
    process->start(comm);
    Digest all;
    while (process->round() < process->schedule().rounds) add_rows(all, round_rows(process->step(comm, *pool)));
    const at::Tensor model = process->models().front().params.clone();
    all.add(digest(model));
    const std::lock_guard lock(mutex);
    bits.insert(all.hex());
    result.model = model;
  });
  EXPECT_EQ(bits.size(), 1U);
  result.bits = *bits.begin();
  return result;
}

inline Federation federation(const std::string& toml) { return composed(toml).federation; }

/// The message of the UserError with which the experiment is refused, or "accepted".
inline std::string refusal(const std::string& toml) {
  try {
    federation(toml);
  } catch (const UserError& error) {
    return error.what();
  }
  return "accepted";
}

}  // namespace shoal::test
