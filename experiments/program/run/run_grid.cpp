#include "experiments/program/run/run_grid.hpp"

#include <algorithm>
#include <cstdio>
#include <filesystem>
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

// Ranks must be of one kind: other processors or libraries give other bits.
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
        "nodes of one kind?",
        world.rank(), r, kind, kinds[r]);
  }
  return facts;
}

enum class Start : std::int64_t { anew, resume, done };

// What an earlier, interrupted process left of a cell.
Start start_of(const Cell& cell, const std::string& journal, const std::map<std::string, std::string>& facts) {
  if (!fs::exists(journal)) return Start::anew;
  if (read_journal(journal).records.empty()) return Start::anew;  // killed before its header was whole
  const CellContents earlier = read_cell(journal);
  if (earlier.header.config != cell.settings.canonical()) {
    user_error(
        "{}: was written with other settings than cell {} ({}) has now. Resume with the same experiment and --set, "
        "or discard it with --anew?",
        journal, cell.index, cell.label);
  }
  if (earlier.result) return Start::done;
  for (const char* fact : {"commit", "libtorch", "processor"}) {
    const auto was = earlier.header.provenance.find(fact);
    if (was == earlier.header.provenance.end() || was->second == facts.at(fact)) continue;
    user_error(
        "{}: was begun with another {} ({}; here {}), which may give other bits. Resume with the same, or discard "
        "it with --anew?",
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

// How a cell starts; a resumed one with the block that it began with, whatever the table says today.
struct CellStart {
  Start how = Start::anew;
  std::optional<BlockChoice> block;
};

// As rank 0 sees the folder. Collective.
std::vector<CellStart> starts_of(const Run& run, const RunOptions& options,
                                 const std::map<std::string, std::string>& facts, Communicator& world) {
  std::vector<std::int64_t> said(3 * run.cells.size(), 0);  // how, clients, form
  if (world.rank() == 0) {
    if (!options.resume) remove_cells(run.out);
    for (std::size_t i = 0; options.resume && i < run.cells.size(); ++i) {
      const std::string journal = journal_path(run.out, run.cells[i].index);
      const Start how = start_of(run.cells[i], journal, facts);
      said[3 * i] = static_cast<std::int64_t>(how);
      if (how != Start::resume) continue;
      if (const auto block = settled_block(read_cell(journal).header)) {
        said[3 * i + 1] = block->clients;
        said[3 * i + 2] = static_cast<std::int64_t>(block->form);
      }
    }
  }
  world.sum(said);
  std::vector<CellStart> starts(run.cells.size());
  for (std::size_t i = 0; i < starts.size(); ++i) {
    starts[i] = {static_cast<Start>(said[3 * i]), run.cells[i].block};
    if (said[3 * i + 1] > 0) starts[i].block = {said[3 * i + 1], static_cast<BlockForm>(said[3 * i + 2])};
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
        "{}: holds a finished run of other settings. Choose another --out, or run without --resume to replace it?",
        run.out);
  }
  return std::ranges::all_of(file.cells, [](const CellContents& cell) { return cell.result.has_value(); });
}

// The run file as far as it has got, so that readers see a long run grow. Rarely enough not to cost time.
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

}  // namespace

Settings load_experiment(const std::string& file, const std::vector<std::string>& sets) {
  Settings experiment = Settings::load(file);
  for (const std::string& entry : sets) {
    const std::size_t equals = entry.find('=');
    if (equals == std::string::npos) user_error("--set '{}' has no '='. Write --set key=value?", entry);
    experiment.set(entry.substr(0, equals), entry.substr(equals + 1));
  }
  return experiment;
}

Run check_experiment(const Settings& experiment, const RunOptions& options) {
  Run run;
  run.name = experiment.clone().text("name", "experiment", "name of the experiment, for tables and pictures");
  run.out = options.out.empty() ? "results/" + run.name + ".h5" : options.out;
  run.cells = expand_grid(experiment);
  auto datasets = std::make_shared<Datasets>();
  const ChooseBlock table = from_table(options);
  for (const Cell& cell : run.cells) compose(cell.settings.clone(), *datasets, table);
  if (datasets->count() == 1) run.datasets = std::move(datasets);  // of several, a rank may need only some

  if (options.out.empty() && run.name.find('/') != std::string::npos) {
    user_error("'name' \"{}\" would be a path. Take out the '/', or say where with --out?", run.name);
  }
  if (has_rounds(run) && !options.resume && !options.anew) {
    user_error("{}: an interrupted run stands there. Go on with it by --resume, or discard it by --anew?",
               journal_folder(run.out));
  }
  run.complete = options.resume && is_complete(run);
  std::error_code ignored;  // check_writable says what is wrong
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
  const ChooseBlock table = from_table(options);
  const RankGroups groups = rank_groups(world.size(), std::ssize(run.cells), options.ranks_per_cell);
  const std::int64_t mine = groups.group_of(world.rank());
  const std::unique_ptr<Communicator> group = world.split(static_cast<int>(mine));
  PartialRunFile partial(run);
  Interruption interruption(options.limits);
  const auto datasets = run.datasets ? run.datasets : std::make_shared<Datasets>();
  bool connected = false;  // the group's GPUs
  std::vector<std::int64_t> stops(1, 0);
  for (std::int64_t i = mine; i < std::ssize(run.cells); i += groups.count) {
    const Cell& cell = run.cells[i];
    if (starts[i].how == Start::done) continue;
    if (interruption.next(*group) == Action::save_and_stop) {
      stops[0] = 1;
      break;
    }
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
    const bool reports = group->rank() == 0 && (world.rank() == 0 || !on_terminal());
    Progress progress(title, process->schedule().rounds, on_terminal(), stdout);
    CellRecording recording{.journal = journal_path(run.out, cell.index),
                            .provenance = facts,
                            .progress = reports ? &progress : nullptr,
                            .resume = starts[i].how == Start::resume};
    if (world.rank() == 0) recording.saved = [&] { partial.write(); };
    const CellResult result = run_cell(cell, *process, *group, options.threads, interruption, recording);
    if (result.status != stopped) continue;
    stops[0] = 1;
    break;
  }
  world.sum(stops);  // also: all journals are complete

  RunResult result{.stopped = stops[0] > 0};
  if (world.rank() != 0) return result;
  std::vector<std::string> journals, hashes;
  for (const Cell& cell : run.cells) {
    const std::string path = journal_path(run.out, cell.index);
    if (result.stopped && !fs::exists(path)) continue;
    journals.push_back(path);
    result.cells.push_back(read_cell(path));
    ensure(result.stopped || result.cells.back().result, "cell {} has no result", cell.index);
    hashes.push_back(result.cells.back().result ? result.cells.back().result->hash : "");
  }
  result.hash = run_hash(hashes);
  assemble_run_file(run.out, {.name = run.name, .program = SHOAL_VERSION}, journals);
  if (!result.stopped) fs::remove_all(journal_folder(run.out));
  return result;
}

}  // namespace shoal
