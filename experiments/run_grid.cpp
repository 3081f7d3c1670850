#include "experiments/run_grid.hpp"

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <set>

#include "experiments/experiment.hpp"
#include "experiments/grid.hpp"
#include "experiments/launch.hpp"
#include "experiments/run_cell.hpp"
#include "sim/record/run_file.hpp"

namespace shoal {
namespace {

std::string experiment_name(const Settings& experiment) {
  return experiment.clone().text("name", "experiment", "name of the experiment, for tables and pictures");
}

std::string run_path(const Settings& experiment, const RunOptions& options) {
  return options.out.empty() ? "results/" + experiment_name(experiment) + ".h5" : options.out;
}

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
  const auto bytes = std::as_bytes(std::span(kind));
  const std::vector<Bytes> kinds = world.gather_all(Bytes(bytes.begin(), bytes.end()));
  for (std::size_t r = 0; r < kinds.size(); ++r) {
    const std::string theirs(reinterpret_cast<const char*>(kinds[r].data()), kinds[r].size());
    if (theirs != kind) {
      user_error(
          "ranks {} and {} run on different processors or libraries ({}; {}), which give different bits. Use nodes "
          "of one kind?",
          world.rank(), r, kind, theirs);
    }
  }
  return facts;
}

// Which group of ranks this one belongs to, and how many groups there are.
struct Groups {
  int mine, count;
};

Groups form_groups(int ranks, int rank, std::size_t cells, int wanted) {
  int per_cell = wanted;
  if (per_cell == 0) per_cell = std::max(1, ranks / static_cast<int>(std::min<std::size_t>(cells, 1 << 20)));
  const int count = std::max(1, ranks / per_cell);
  return {std::min(rank / per_cell, count - 1), count};  // left-over ranks join the last group
}

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

std::string check_experiment(const Settings& experiment, const RunOptions& options) {
  Datasets datasets;
  for (const Cell& cell : expand_grid(experiment)) compose(cell.settings, datasets);
  const std::string out = run_path(experiment, options);
  const std::filesystem::path folder = std::filesystem::path(out).parent_path();
  std::error_code ignored;  // check_writable says what is wrong
  if (options.out.empty()) std::filesystem::create_directories(folder, ignored);
  check_writable(out);
  return out;
}

GridResult run_grid(const Settings& experiment, const RunOptions& options, Communicator& world) {
  const std::string out = run_path(experiment, options);
  const std::vector<Cell> cells = expand_grid(experiment);
  const std::map<std::string, std::string> facts = provenance(world, options);
  if (world.rank() == 0) std::filesystem::create_directories(journal_folder(out));
  world.barrier();

  const Groups groups = form_groups(world.size(), world.rank(), cells.size(), options.ranks_per_cell);
  const std::unique_ptr<Communicator> group = world.split(groups.mine);
  Datasets datasets;
  for (std::size_t i = static_cast<std::size_t>(groups.mine); i < cells.size();
       i += static_cast<std::size_t>(groups.count)) {
    const Cell& cell = cells[i];
    const Experiment parts = compose(cell.settings, datasets);
    const std::string title =
        cells.size() == 1 ? cell.label : fmt::format("[{}/{}] {} seed {}", i + 1, cells.size(), cell.label, cell.seed);
    // On a terminal only rank 0 draws its line; elsewhere every group reports its evaluations.
    const bool reports = group->rank() == 0 && (world.rank() == 0 || !on_terminal());
    Progress progress(title, parts.rounds, on_terminal(), stdout);
    run_cell(cell, parts, *group, options.threads,
             {journal_path(out, cell.index), facts, reports ? &progress : nullptr});
  }
  world.barrier();  // all journals are complete

  GridResult result{.out = out};
  if (world.rank() != 0) return result;
  std::vector<std::string> journals;
  std::vector<std::string> hashes;
  for (const Cell& cell : cells) {
    journals.push_back(journal_path(out, cell.index));
    result.cells.push_back(read_cell(journals.back()));
    ensure(result.cells.back().result.has_value(), "cell {} has no result", cell.index);
    hashes.push_back(result.cells.back().result->hash);
  }
  result.hash = run_hash(hashes);
  assemble_run_file(out, {.name = experiment_name(experiment), .program = SHOAL_VERSION}, journals);
  std::filesystem::remove_all(journal_folder(out));
  return result;
}

}  // namespace shoal
