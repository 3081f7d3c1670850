#include "experiments/program/run/run_grid.hpp"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <optional>
#include <set>
#include <utility>

#include "experiments/program/device.hpp"
#include "experiments/program/exit_codes.hpp"
#include "experiments/program/launch.hpp"
#include "experiments/program/run/experiment.hpp"
#include "experiments/program/run/origin.hpp"
#include "experiments/program/run/output.hpp"
#include "experiments/program/run/rank_groups.hpp"
#include "experiments/program/run/run_cell.hpp"
#include "experiments/program/run/stop_letters.hpp"
#include "sim/comm/device_comm.hpp"
#include "sim/digest.hpp"
#include "sim/files/file_lock.hpp"
#include "sim/files/journal_reader.hpp"
#include "sim/files/replace_file.hpp"
#include "sim/record/check_cell.hpp"
#include "sim/record/run_file.hpp"
#include "sim/record/visit_cell.hpp"

namespace shoal {
namespace {

namespace fs = std::filesystem;

// The facts of the whole run.
std::map<std::string, std::string> provenance(const Communicator& world, const RunOptions& options) {
  return {{"program", SHOAL_VERSION},
          {"commit", SHOAL_COMMIT},
          {"compiler", SHOAL_COMPILER},
          {"libtorch", SHOAL_TORCH_VERSION},
          {"mpi", MpiSession::library()},
          {"processor", processor()},
          {"environment", rounding_environment([](const char* name) { return std::getenv(name); })},
          {"ranks", std::to_string(world.size())},
          {"threads", std::to_string(options.threads)}};
}

enum class Start : std::int64_t { anew, resume, done };

// False also where a process was killed, or still is, before the header is whole.
bool has_begun(const std::string& journal) {
  JournalRecord header;
  return fs::exists(journal) && JournalReader(journal).next(header);
}

// How to start a cell, by what an earlier, interrupted process left of it.
Start start_of(const Cell& cell, const std::string& journal, const std::map<std::string, std::string>& facts) {
  if (!has_begun(journal)) return Start::anew;
  const CellContents earlier = read_cell_rounds(journal);
  if (earlier.header.config != cell.settings.canonical()) {
    user_error(
        "{}: was written with other settings than cell {} ({}) has now. Resume with the same experiment and --set, "
        "or discard it with --anew.",
        journal, cell.index, cell.label);
  }
  check_inputs(cell, earlier.header.provenance, journal);
  if (earlier.result) return Start::done;
  for (const char* fact : {"commit", "libtorch", "processor", "environment"}) {
    const auto was = earlier.header.provenance.find(fact);
    if (was == earlier.header.provenance.end() || was->second == facts.at(fact)) continue;
    user_error(
        "{}: was started with another {} ({}; here {}), which may give other bits. Resume with the same, or discard "
        "it with --anew.",
        journal, fact, was->second, facts.at(fact));
  }
  return Start::resume;
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
  if (world.rank() == 0 && !options.resume) remove_journals(run.out);
  for (std::size_t i = 0; world.rank() == 0 && options.resume && i < count; ++i) {
    const std::string journal = journal_path(run.out, run.cells[i].index);
    const Start start = start_of(run.cells[i], journal, facts);
    how[i] = static_cast<std::int64_t>(start);
    if (start != Start::resume) continue;
    if (const auto block = settled_block(read_cell_rounds(journal).header)) {
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
      if (has_begun(path)) journals.push_back(path);
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

std::map<std::string, std::string> with_inputs(std::map<std::string, std::string> facts, const InputFiles& files) {
  facts[inputs_fact] = inputs_digest(files);
  facts[input_files_fact] = inputs_text(files);
  return facts;
}

// The results of all groups' cells, without rows and models. Collective; at every rank, in grid order.
std::vector<CellContents> gather_results(const std::vector<CellContents>& own, Communicator& world) {
  Packer packer;
  for (const CellContents& cell : own) {
    packer.number(cell.header.index).text(cell.header.label).number(cell.header.seed);
    packer.text(cell.result->status).text(cell.result->hash);
    packer.number<std::uint64_t>(cell.header.provenance.size());
    for (const auto& [name, text] : cell.header.provenance) packer.text(name).text(text);
  }
  std::vector<CellContents> all;
  for (const Bytes& bytes : world.gather_all(Bytes(packer.bytes().begin(), packer.bytes().end()))) {
    for (Unpacker unpacker(bytes, "the results of the ranks"); !unpacker.empty();) {
      CellContents& cell = all.emplace_back();
      cell.header.index = unpacker.number<std::int64_t>();
      cell.header.label = unpacker.text();
      cell.header.seed = unpacker.number<std::int64_t>();
      cell.result.emplace().status = unpacker.text();
      cell.result->hash = unpacker.text();
      for (auto left = unpacker.number<std::uint64_t>(); left > 0; --left) {
        std::string name = unpacker.text();
        cell.header.provenance[std::move(name)] = unpacker.text();
      }
    }
  }
  std::ranges::sort(all, {}, [](const CellContents& cell) { return cell.header.index; });
  return all;
}

// Journals become the run file at more than this rate on one core, compressed and hashed.
constexpr double assembled_bytes_per_second = 20e6;

// Runs the cells of this rank's group. Returns whether it was stopped before their end; `results` gets those of a run
// that keeps no record, at the group's first rank.
bool run_own_cells(const Run& run, const RunOptions& options, const std::map<std::string, std::string>& facts,
                   const std::vector<CellStart>& starts, Communicator& world, std::vector<CellContents>& results) {
  const ChooseBlock table = from_table(options);
  const RankGroups groups = rank_groups(world.size(), std::ssize(run.cells), options.ranks_per_cell);
  const std::int64_t mine = groups.group_of(world.rank());
  const std::unique_ptr<Communicator> group = world.split(static_cast<int>(mine));
  PartialRunFile partial(run);
  std::optional<StopLetters> letters;
  if (groups.count > 1) letters.emplace(world, group->rank() == 0);
  Interruption interruption(options.limits, letters ? &*letters : nullptr);
  const auto datasets = run.datasets ? run.datasets : std::make_shared<Datasets>();
  bool connected = false;  // the group's GPUs
  double finished_bytes = 0;
  GridProgress grid{.cells = 0, .log_every = options.log_every};
  for (std::int64_t i = mine; i < std::ssize(run.cells); i += groups.count) grid.cells += starts[i].how != Start::done;
  for (std::int64_t i = mine; i < std::ssize(run.cells); i += groups.count) {
    const Cell& cell = run.cells[i];
    if (starts[i].how == Start::done) continue;
    if (interruption.next(*group) == Action::save_and_stop) return true;
    const std::optional<BlockChoice> settled = starts[i].block;
    const InputRecord inputs;
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
    CellRecording recording{.journal = run.kept ? journal_path(run.out, cell.index) : "",
                            .provenance = with_inputs(facts, inputs.files()),
                            .progress = reports ? &progress : nullptr,
                            .resume = starts[i].how == Start::resume};
    if (world.rank() == 0) recording.saved = [&] { partial.write(); };
    // One rank assembles the journals of all groups, which are about as long as those of this one.
    recording.assembly = [&](std::uint64_t journal) {
      return (finished_bytes + journal) * groups.count / assembled_bytes_per_second;
    };
    const CellResult result = run_cell(cell, *process, *group, options.threads, interruption, recording);
    if (result.status == stopped) return true;
    std::error_code missing;
    const double bytes = run.kept ? fs::file_size(recording.journal, missing) : 0;
    if (!missing) finished_bytes += bytes;
    if (run.kept || group->rank() > 0) continue;
    results.push_back({.header = header_of(cell, *process, recording, *group), .result = result});
  }
  return false;
}

// A line for every file about which something is odd.
void print_doubts(const Run& run) {
  std::set<std::string> printed;
  for (const Cell& cell : run.cells) {
    for (const InputFile& file : cell.inputs) {
      if (file.doubt.empty() || !printed.insert(file.path).second) continue;
      complain(fmt::format("warning: file '{}' {}", file.path, file.doubt));
    }
  }
}

// Merges the journals of all cells into the run file, and removes them if the run is over.
RunResult merge_cells(const Run& run, bool was_stopped) {
  RunResult result{.stopped = was_stopped};
  std::vector<std::string> journals, hashes;
  for (const Cell& cell : run.cells) {
    const std::string path = journal_path(run.out, cell.index);
    if (was_stopped && !has_begun(path)) continue;
    journals.push_back(path);
    result.cells.push_back(read_cell_rounds(path));
    ensure(was_stopped || result.cells.back().result, "cell {} has no result", cell.index);
    hashes.push_back(result.cells.back().result ? result.cells.back().result->hash : "");
  }
  result.hash = run_hash(hashes);
  assemble_run_file(run.out, {.name = run.name, .program = SHOAL_VERSION}, journals);
  if (!was_stopped) remove_journal_folder(run.out);
  return result;
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

void compose_cells(Run& run, const ChooseBlock& choose_block) {
  auto datasets = std::make_shared<Datasets>();
  std::map<std::string, Digest> facts;
  for (Cell& cell : run.cells) {
    const InputRecord inputs;
    const std::unique_ptr<Process> process = compose(cell.settings.clone(), *datasets, [&](const BlockCase& wanted) {
      return cell.block ? *cell.block : choose_block(wanted);
    });
    for (const auto& [name, value] : process->provenance()) facts[name].add(value).add("\n");
    cell.inputs = inputs.files();
  }
  if (datasets->count() == 1) run.datasets = std::move(datasets);  // with several, a rank may not need all
  for (auto& [name, digest] : facts) run.composed[name] = digest.hex();
}

std::string inputs_digest(const Run& run) {
  InputFiles all;
  for (const Cell& cell : run.cells) all.insert(all.end(), cell.inputs.begin(), cell.inputs.end());
  return inputs_digest(all);
}

Agreed agreed_facts(const Run& run, const RunOptions& options) {
  Agreed facts = run.composed;
  Digest settings;
  for (const Cell& cell : run.cells) settings.add(cell.label).add("\n").add(cell.settings.canonical());
  facts["settings"] = settings.hex();
  facts["options"] = fmt::format("--out {} --ranks-per-cell {}{}", run.out, options.ranks_per_cell,
                                 run.complete     ? ", finished"
                                 : options.resume ? " --resume"
                                                  : "");
  facts["inputs"] = inputs_digest(run);
  facts["commit"] = SHOAL_COMMIT;
  facts["LibTorch"] = SHOAL_TORCH_VERSION;
  facts["processor"] = processor();
  facts["environment"] = rounding_environment([](const char* name) { return std::getenv(name); });
  return facts;
}

Run check_experiment(const Settings& experiment, const RunOptions& options) {
  Run run;
  run.name = experiment.clone().text("name", "experiment", "name of the experiment, for tables and pictures");
  check_name(run.name);
  run.out = options.out.empty() ? "results/" + run.name + ".h5" : options.out;
  run.cells = expand_grid(experiment);
  compose_cells(run, from_table(options));

  if (options.out.empty() && run.name.find('/') != std::string::npos) {
    user_error("'name' \"{}\" would be a path. Remove the '/', or give the path with --out.", run.name);
  }
  std::error_code ignored;  // check_out reports the error
  if (options.out.empty()) fs::create_directories("results", ignored);
  check_out(run, options);
  run.complete = options.resume && is_complete(run);
  return run;
}

RunResult run_cells(const Run& run, const RunOptions& options, Communicator& world) {
  if (run.complete) {
    RunContents file = read_run_file(run.out);
    return {.cells = std::move(file.cells), .hash = file.hash};
  }
  std::map<std::string, std::string> facts = provenance(world, options);
  facts.merge(origin());
  if (world.rank() == 0) print_doubts(run);
  std::vector<CellContents> results;
  if (!run.kept) {
    std::vector<CellStart> starts;
    for (const Cell& cell : run.cells) starts.push_back({.block = cell.block});
    std::vector<std::int64_t> stops = {run_own_cells(run, options, facts, starts, world, results) ? 1 : 0};
    world.sum(stops);
    return {.cells = gather_results(results, world), .hash = "", .stopped = stops[0] > 0};
  }
  std::optional<FileLock> lock;
  if (world.rank() == 0) {
    make_journal_folder(run.out);
    lock.emplace(journal_lock(run.out));
    remove_partial_files(run.out);
  }
  const std::vector<CellStart> starts = starts_of(run, options, facts, world);
  std::vector<std::int64_t> stops = {run_own_cells(run, options, facts, starts, world, results) ? 1 : 0};
  world.sum(stops);  // after this, the journals of all groups are complete
  const bool was_stopped = stops[0] > 0;
  return world.rank() == 0 ? merge_cells(run, was_stopped) : RunResult{.stopped = was_stopped};
}

}  // namespace shoal
