#include "experiments/program/check.hpp"

#include <algorithm>
#include <bit>
#include <cmath>

#include "experiments/program/exit_codes.hpp"
#include "experiments/program/summary.hpp"
#include "sim/record/cell_hash.hpp"
#include "sim/record/totals.hpp"

namespace shoal {
namespace {

bool same(double a, double b) { return a == b || (std::isnan(a) && std::isnan(b)); }

template <class Number>
void compare(std::vector<std::string>& found, const char* name, Number stated, Number counted) {
  if (same(stated, counted)) return;
  found.push_back(fmt::format("the file states {} = {}, its rows give {}", name, stated, counted));
}

FileCheck check_file(const std::string& path) {
  const RunContents run = read_run_file(path);
  require_checkable(run, path);
  FileCheck check{.file = path, .hash = run.hash, .sealed = run.sealed, .cells = std::ssize(run.cells)};
  std::vector<std::string> hashes;
  for (const CellContents& cell : run.cells) {
    hashes.push_back(cell.result ? cell.result->hash : "");
    if (!cell.result) ++check.unfinished;
    for (const std::string& finding : contradictions(cell)) {
      check.findings.push_back(
          fmt::format("cell {}, {} seed {}: {}", cell.header.index, cell.header.label, cell.header.seed, finding));
    }
  }
  if (run.hash != run_hash(hashes)) {
    check.findings.push_back(
        fmt::format("the file states the hash {}, its cells' hashes give {}", run.hash, run_hash(hashes)));
  }
  return check;
}

}  // namespace

std::vector<std::string> contradictions(const CellContents& cell) {
  std::vector<std::string> found;
  if (!cell.result) return found;
  const CellResult& stated = *cell.result;
  if (const std::string own = hash_of(cell); own != stated.hash) {
    found.push_back(fmt::format("the file states the hash {}, its rows and model have {}", stated.hash, own));
  }
  const CellResult counted = totals_so_far(cell.rounds, target_of(cell));
  compare(found, "final_accuracy", stated.final_accuracy, counted.final_accuracy);
  compare(found, "best_accuracy", stated.best_accuracy, counted.best_accuracy);
  compare(found, "final_loss", stated.final_loss, counted.final_loss);
  compare(found, "rounds", stated.rounds, counted.rounds);
  compare(found, "rounds_to_target", stated.rounds_to_target, counted.rounds_to_target);
  compare(found, "time_to_target_us", stated.time_to_target_us, counted.time_to_target_us);
  compare(found, "bytes_down", stated.bytes_down, counted.bytes_down);
  compare(found, "bytes_up", stated.bytes_up, counted.bytes_up);
  compare(found, "dropouts", stated.dropouts, counted.dropouts);
  compare(found, "rejected", stated.rejected, counted.rejected);
  constexpr std::int64_t diverged = 2;
  const bool ended_so = !cell.rounds.empty() && cell.rounds.back().verdict == diverged;
  if (ended_so != (stated.status == "diverged")) {
    found.push_back(fmt::format("the file states status \"{}\", its last round {}", stated.status,
                                ended_so ? "diverged" : "did not diverge"));
  }
  return found;
}

void require_checkable(const RunContents& run, const std::string& path) {
  if (run.schema_version == run_schema_version) return;
  user_error(
      "{}: has schema version {}, whose hashes are defined differently from those of version {} and cannot be computed "
      "from its rows. Use the version of Shoal that wrote it, or run the experiment again.",
      path, run.schema_version, run_schema_version);
}

std::vector<FileCheck> check_files(const std::vector<std::string>& paths) {
  std::vector<FileCheck> checks;
  for (const std::string& path : paths) {
    FileCheck check{.file = path};
    const Failure failure = caught([&] { check = check_file(path); });
    check.problem = failure.problem;
    check.code = failure.code;
    if (failure.code == 0 && !check.findings.empty()) check.code = other_error_code;
    checks.push_back(std::move(check));
  }
  return checks;
}

}  // namespace shoal
