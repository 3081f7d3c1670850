#include "experiments/program/run/run_grid.hpp"

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <optional>
#include <utility>

#include "experiments/program/device.hpp"
#include "experiments/program/launch.hpp"
#include "experiments/program/run/experiment.hpp"
#include "experiments/program/run/rank_groups.hpp"
#include "experiments/program/run/run_cell.hpp"
#include "sim/comm/device_comm.hpp"
#include "sim/comm/gather_text.hpp"
#include "sim/files/file_lock.hpp"
#include "sim/files/journal.hpp"
#include "sim/files/replace_file.hpp"
#include "sim/record/run_file.hpp"

namespace shoal {
namespace {

namespace fs = std::filesystem;

constexpr const char* lock_name = "lock";

// The facts of the whole run. Ranks must be of one kind: other processors or libraries give other bits.
std::map<std::string, std::string> provenance(Communicator& world, const RunOptions& options) {
  std::map<std::string, std::string> facts{{"program", SHOAL_VERSION},
                                           {"commit", SHOAL_COMMIT},
                                           {"compiler", SHOAL_COMPILER},
                                           {"libtorch", SHOAL_TORCH_VERSION},
                                           {"mpi", MpiSession::library()},
                                           {"processor", processor()},
                                           {"ranks", std::to_string(world.size())},
                                           {"threads", std::to_string(options.threads)}};
  const std::string kind = facts["processor"] + "; LibTorch " + facts["libtorch"];
  const std::vector<std::string> kinds = gather_text(world, kind);
  for (std::size_t r = 0; r < kinds.size(); ++r) {
    if (kinds[r] == kind) continue;
    user_error(
        "ranks {} and {} run on different processors or libraries ({}; {}), which give different bits. Use "
        "nodes of one kind.",
        world.rank(), r, kind, kinds[r]);
  }
  return facts;
}

enum class Start : std::int64_t { anew, resume, done };

// How to start a cell, by what an earlier, interrupted process left of it.
Start start_of(const Cell& cell, const std::string& journal, const std::map<std::string, std::string>& facts) {
  if (!fs::exists(journal)) return Start::anew;
  if (read_journal(journal).records.empty()) return Start::anew;  // killed before its header was whole
  const CellContents earlier = read_cell(journal);
  if (earlier.header.config != cell.settings.canonical()) {
    user_error(
        "{}: was written with other settings than cell {} ({}) has now. Resume with the same experiment and --set, "
        "or discard it with --anew.",
        journal, cell.index, cell.label);
  }
  if (earlier.result) return Start::done;
  for (const char* fact : {"commit", "libtorch", "processor"}) {
    const auto was = earlier.header.provenance.find(fact);
    if (was == earlier.header.provenance.end() || was->second == facts.at(fact)) continue;
    user_error(
        "{}: was started with another {} ({}; here {}), which may give other bits. Resume with the same, or discard "
        "it with --anew.",
        journal, fact, was->second, facts.at(fact));
  }
  return Start::resume;
}

// Discards what an earlier process left, but not the lock that this one holds.
void remove_cells(const std::string& out) {
  for (const auto& entry : fs::directory_iterator(journal_folder(out))) {
    if (entry.path().filename() != lock_name) fs::remove(entry.path());
  }
}

// How a cell starts; a resumed cell keeps the block that it started with, whatever the table says now.
struct CellStart {
  Start how = Start::anew;
  std::optional<BlockChoice> block;
};

// The starts of all cells, as rank 0 finds them in the journals. Collective.
std::vector<CellStart> starts_of(const Run& run, const RunOptions& options,
                                 const std::map<std::string, std::string>& facts, Communicator& world) {
  const std::size_t count = run.cells.size();
  std::vector<std::int64_t> how(count, 0), block_clients(count, 0), block_forms(count, 0);  // 0 at the other ranks
  if (world.rank() == 0 && !options.resume) remove_cells(run.out);
  for (std::size_t i = 0; world.rank() == 0 && options.resume && i < count; ++i) {
    const std::string journal = journal_path(run.out, run.cells[i].index);
    const Start start = start_of(run.cells[i], journal, facts);
    how[i] = static_cast<std::int64_t>(start);
    if (start != Start::resume) continue;
    if (const auto block = settled_block(read_cell(journal).header)) {
      block_clients[i] = block->clients;
      block_forms[i] = static_cast<std::int64_t>(block->form);
    }
  }
  for (std::vector<std::int64_t>* values : {&how, &block_clients, &block_forms}) world.sum(*values);
  std::vector<CellStart> starts(count);
  for (std::size_t i = 0; i < count; ++i) {
    starts[i] = {static_cast<Start>(how[i]), run.cells[i].block};
    if (block_clients[i] > 0) starts[i].block = {block_clients[i], static_cast<BlockForm>(block_forms[i])};
  }
  return starts;
}

ChooseBlock from_table(const RunOptions& options) {
  if (options.blocks.empty()) return built_in_choice;
  return [table = BlockTable::load(options.blocks)](const BlockCase& wanted) { return table.choose(wanted); };
}

// Whether an interrupted run has left more than the beginning of a journal.
bool has_rounds(const Run& run) {
  return std::ranges::any_of(run.cells, [&](const Cell& cell) {
    const std::string path = journal_path(run.out, cell.index);
    return fs::exists(path) && read_journal(path).records.size() > 1;
  });
}

// Whether the run file holds every cell's result already; UserError when it holds those of other settings.
bool is_complete(const Run& run) {
  if (!fs::exists(run.out) || fs::exists(journal_folder(run.out))) return false;
  const RunContents file = read_run_file(run.out);
  bool same = file.cells.size() == run.cells.size();
  for (std::size_t i = 0; same && i < run.cells.size(); ++i) {
    same = file.cells[i].header.config == run.cells[i].settings.canonical();
  }
  if (!same) {
    user_error(
        "{}: holds a finished run of other settings. Choose another --out, or run without --resume to replace it.",
        run.out);
  }
  return std::ranges::all_of(file.cells, [](const CellContents& cell) { return cell.result.has_value(); });
}

// Writes the run file as far as the cells have got, so that readers see a long run grow; rarely enough to cost little.
class PartialRunFile {
 public:
  explicit PartialRunFile(const Run& run) : run_(run) {}
  void write() {
    const auto now = std::chrono::steady_clock::now();
    if (now - written_ < 20 * cost_) return;
    std::vector<std::string> journals;
    for (const Cell& cell : run_.cells) {
      const std::string path = journal_path(run_.out, cell.index);
      if (fs::exists(path)) journals.push_back(path);
    }
    assemble_run_file(run_.out, {.name = run_.name, .program = SHOAL_VERSION}, journals);
    written_ = std::chrono::steady_clock::now();
    cost_ = written_ - now;
  }

 private:
  const Run& run_;
  std::chrono::steady_clock::time_point written_{};
  std::chrono::steady_clock::duration cost_{};
};

// Runs the cells of this rank's group. Returns whether it was stopped before their end.
bool run_own_cells(const Run& run, const RunOptions& options, const std::map<std::string, std::string>& facts,
                   const std::vector<CellStart>& starts, Communicator& world) {
  const ChooseBlock table = from_table(options);
  const RankGroups groups = rank_groups(world.size(), std::ssize(run.cells), options.ranks_per_cell);
  const std::int64_t mine = groups.group_of(world.rank());
  const std::unique_ptr<Communicator> group = world.split(static_cast<int>(mine));
  PartialRunFile partial(run);
  Interruption interruption(options.limits);
  const auto datasets = run.datasets ? run.datasets : std::make_shared<Datasets>();
  bool connected = false;  // the group's GPUs
  GridProgress grid{.cells = 0, .log_every = options.log_every};
  for (std::int64_t i = mine; i < std::ssize(run.cells); i += groups.count) grid.cells += starts[i].how != Start::done;
  for (std::int64_t i = mine; i < std::ssize(run.cells); i += groups.count) {
    const Cell& cell = run.cells[i];
    if (starts[i].how == Start::done) continue;
    if (interruption.next(*group) == Action::save_and_stop) return true;
    const std::optional<BlockChoice> settled = starts[i].block;
    const std::unique_ptr<Process> process =
        compose(cell.settings, *datasets, [&](const BlockCase& wanted) { return settled ? *settled : table(wanted); });
    const at::Device device = process->device();
    take_device(device, *group);
    if (device.is_cuda() && !connected) connect_devices(*group);
    connected = connected || device.is_cuda();
    const std::string title = run.cells.size() == 1
                                  ? cell.label
                                  : fmt::format("[{}/{}] {} seed {}", i + 1, run.cells.size(), cell.label, cell.seed);
    // On a terminal only rank 0 draws its line; elsewhere every group reports its evaluations.
    const bool draws = on_terminal() && !options.quiet;
    const bool reports = group->rank() == 0 && (world.rank() == 0 || !draws);
    Progress progress(title, process->schedule().rounds, draws, options.quiet ? stderr : stdout, grid);
    CellRecording recording{.journal = journal_path(run.out, cell.index),
                            .provenance = facts,
                            .progress = reports ? &progress : nullptr,
                            .resume = starts[i].how == Start::resume};
    if (world.rank() == 0) recording.saved = [&] { partial.write(); };
    if (run_cell(cell, *process, *group, options.threads, interruption, recording).status == stopped) return true;
  }
  return false;
}

// Merges the journals of all cells into the run file, and removes them if the run is over.
RunResult merge_cells(const Run& run, bool was_stopped) {
  RunResult result{.stopped = was_stopped};
  std::vector<std::string> journals, hashes;
  for (const Cell& cell : run.cells) {
    const std::string path = journal_path(run.out, cell.index);
    if (was_stopped && !fs::exists(path)) continue;
    journals.push_back(path);
    result.cells.push_back(read_cell(path));
    ensure(was_stopped || result.cells.back().result, "cell {} has no result", cell.index);
    hashes.push_back(result.cells.back().result ? result.cells.back().result->hash : "");
  }
  result.hash = run_hash(hashes);
  assemble_run_file(run.out, {.name = run.name, .program = SHOAL_VERSION}, journals);
  if (!was_stopped) fs::remove_all(journal_folder(run.out));
  return result;
}

// Only a run file may be replaced: a mistyped --out could name an experiment or data.
void require_run_file(const std::string& path) {
  if (!fs::exists(path) || fs::is_directory(path)) return;  // check_writable tells of folders
  constexpr std::string_view signature = "\x89HDF\r\n\x1a\n";
  std::string head(signature.size(), '\0');
  std::ifstream file(path, std::ios::binary);
  if (fs::is_regular_file(path) && file.read(head.data(), std::ssize(head)) && head == signature) return;
  user_error("{}: exists and is no run file, so it is not replaced. Choose another --out, or remove it.", path);
}

}  // namespace

Settings load_experiment(const std::string& file, const std::vector<std::string>& sets) {
  Settings experiment = Settings::load(file);
  for (const std::string& entry : sets) {
    const std::size_t equals = entry.find('=');
    if (equals == std::string::npos) user_error("--set '{}' has no '='. Write --set key=value.", entry);
    experiment.set(entry.substr(0, equals), entry.substr(equals + 1));
  }
  for (const std::string& entry : sets) refuse_overridden(experiment, entry.substr(0, entry.find('=')));
  return experiment;
}

Run check_experiment(const Settings& experiment, const RunOptions& options) {
  Run run;
  run.name = experiment.clone().text("name", "experiment", "name of the experiment, for tables and pictures");
  check_name(run.name);
  run.out = options.out.empty() ? "results/" + run.name + ".h5" : options.out;
  run.cells = expand_grid(experiment);
  auto datasets = std::make_shared<Datasets>();
  const ChooseBlock table = from_table(options);
  for (const Cell& cell : run.cells) compose(cell.settings.clone(), *datasets, table);
  if (datasets->count() == 1) run.datasets = std::move(datasets);  // with several, a rank may not need all

  if (options.out.empty() && run.name.find('/') != std::string::npos) {
    user_error("'name' \"{}\" would be a path. Remove the '/', or give the path with --out.", run.name);
  }
  if (!options.resume && !options.anew && has_rounds(run)) {
    user_error("{}: holds an interrupted run. Use --resume to continue it or --anew to discard it.",
               journal_folder(run.out));
  }
  require_run_file(run.out);
  run.complete = options.resume && is_complete(run);
  std::error_code ignored;  // check_writable reports the error
  if (options.out.empty()) fs::create_directories("results", ignored);
  check_writable(run.out);
  return run;
}

RunResult run_cells(const Run& run, const RunOptions& options, Communicator& world) {
  if (run.complete) {
    RunContents file = read_run_file(run.out);
    return {.cells = std::move(file.cells), .hash = file.hash};
  }
  const std::map<std::string, std::string> facts = provenance(world, options);
  std::optional<FileLock> lock;
  if (world.rank() == 0) {
    fs::create_directories(journal_folder(run.out));
    lock.emplace(fmt::format("{}/{}", journal_folder(run.out), lock_name));
  }
  const std::vector<CellStart> starts = starts_of(run, options, facts, world);
  std::vector<std::int64_t> stops = {run_own_cells(run, options, facts, starts, world) ? 1 : 0};
  world.sum(stops);  // after this, the journals of all groups are complete
  const bool was_stopped = stops[0] > 0;
  return world.rank() == 0 ? merge_cells(run, was_stopped) : RunResult{.stopped = was_stopped};
}

}  // namespace shoal
