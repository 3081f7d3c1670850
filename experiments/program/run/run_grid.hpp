#pragma once
// `shoal run`: every cell of an experiment, on all ranks, into one run file.

#include <memory>
#include <string>
#include <vector>

#include "experiments/program/run/agreement.hpp"
#include "experiments/program/run/block_table.hpp"
#include "experiments/program/run/grid.hpp"
#include "experiments/program/run/interruption.hpp"
#include "sim/comm/communicator.hpp"
#include "sim/record/cell_journal.hpp"
#include "sim/settings/settings.hpp"

namespace shoal {

struct RunOptions {
  std::string out;         // run file; empty: results/NAME.h5
  std::string blocks;      // table of block sizes; empty: the built-in one
  int threads = 1;         // per rank
  int ranks_per_cell = 0;  // 0: one per cell if there are more cells than ranks, else an even share
  bool resume = false;     // continue an interrupted run
  bool anew = false;       // discard an interrupted run
  double log_every = 10;   // seconds between two lines of progress outside a terminal; 0: a line per evaluation
  bool quiet = false;      // stdout is for the result alone: progress goes to stderr, as lines
  WallLimits limits;
};

class Datasets;

/// An experiment that has been read and checked.
struct Run {
  std::string name, out;
  std::vector<Cell> cells;
  bool kept = true;                    // false: no file is written, only the cells' hashes are returned
  bool complete = false;               // with --resume: the run file holds all results already
  std::shared_ptr<Datasets> datasets;  // loaded by the check, if all cells use the same; may be null
  Agreed composed;                     // digests of what composing the cells has found: data, blocks
};

/// Reads the experiment and applies `sets` (KEY=VALUE each): what every command starts with. UserError.
Settings load_experiment(const std::string& file, const std::vector<std::string>& sets);

/// Composes every cell once, which reads its files, and records them. UserError.
void compose_cells(Run& run, const ChooseBlock& choose_block);

/// One digest over all files that the cells of a composed run have read, in order; equal on all ranks that read the
/// same.
std::string inputs_digest(const Run& run);

/// Facts of a cell's provenance: that digest for the cell, and the files with their hashes (inputs_text).
inline constexpr const char *inputs_fact = "inputs", *input_files_fact = "input files";

/// The facts that every rank must have found alike: settings, data, blocks, options, build, processor, environment.
Agreed agreed_facts(const Run& run, const RunOptions& options);

/// Expands the grid, composes every cell once and checks that the run file can be written: errors show before anything
/// is trained. UserError.
Run check_experiment(const Settings& experiment, const RunOptions& options);

struct RunResult {
  std::vector<CellContents> cells;  // in grid order
  std::string hash;
  bool stopped = false;  // saved before the end, to be resumed
};

/// Runs all cells and merges their records in grid order into `run.out`. While it runs, and after a kill, the folder
/// `run.out`.journal holds the cells' journals and checkpoints. Collective over the world; rank 0 returns the cells
/// without the rows of clients, and the hash of the whole. Of a run that is not kept, every rank gets the index, label,
/// seed, provenance, status and hash of each cell only.
RunResult run_cells(const Run& run, const RunOptions& options, Communicator& world);

}  // namespace shoal
