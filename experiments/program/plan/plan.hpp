#pragma once
// `shoal plan`: what an experiment will cost, without training it.

#include <string>
#include <vector>

#include "experiments/program/json.hpp"
#include "experiments/program/plan/plan_clients.hpp"
#include "experiments/program/plan/plan_measure.hpp"
#include "experiments/program/plan/plan_rounds.hpp"
#include "experiments/program/run/grid.hpp"
#include "experiments/program/run/rank_groups.hpp"

namespace shoal {

struct PlanOptions {
  int ranks = 1;  // memory and wall time are predicted for this many, each on a core of its own
  // For each of up to four kinds of cells, less if there are more. Rounds that do not fit are extrapolated.
  double planning_seconds = 1, measuring_seconds = 0.4;
};

/// Estimated memory of one rank, in bytes.
struct MemoryPlan {
  std::int64_t program = 0;   // the process with LibTorch, before anything is loaded
  std::int64_t data = 0;      // examples and their owners
  std::int64_t training = 0;  // buffers of one thread, measured
  std::int64_t sums = 0;      // sums of one thread
  std::int64_t versions = 0;  // server state and the live versions of the message
  std::int64_t clients = 0;   // client memory, if all clients take part

  std::int64_t total() const { return program + data + training + sums + versions + clients; }
};

/// The cost of one cell. Cells that differ only in their seed are of one kind; the first is planned for all.
struct CellPlan {
  std::vector<std::int64_t> seeds;  // seeds of all cells of the kind
  std::string label;
  bool is_federation = true;  // otherwise only `notes` and `cell_seconds` are known
  std::int64_t parameters = 0;
  std::int64_t tested_examples = 0;  // in one evaluation; 0 for tasks without data
  bool is_upper_bound = false;       // the run may end earlier, at its target
  std::vector<std::string> notes;    // Process::notes
  ClientsPlan clients;
  RoundsPlan rounds;
  Measured measured;
  MemoryPlan memory;
  double cell_seconds = 0;  // predicted wall time of one cell on the ranks that it gets
};

/// Composes every cell (so that errors show) and plans one of each kind. UserError.
std::vector<CellPlan> plan_experiment(const Settings& experiment, const PlanOptions& options);

/// Predicted wall time of all cells, on that many free cores.
double wall_seconds(std::span<const CellPlan> kinds, const PlanOptions& options);

/// All of it as text for a terminal, ending in a line break.
std::string plan_text(std::span<const CellPlan> kinds, const PlanOptions& options);
/// The same as JSON; its schema is that of `shoal schema plan`.
Json plan_json(std::span<const CellPlan> kinds, const PlanOptions& options);

}  // namespace shoal
