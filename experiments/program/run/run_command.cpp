#include "experiments/program/run/run_command.hpp"

#include <algorithm>
#include <filesystem>
#include <optional>

#include "experiments/program/exit_codes.hpp"
#include "experiments/program/json.hpp"
#include "experiments/program/launch.hpp"
#include "experiments/program/run/progress.hpp"
#include "experiments/program/run/result_json.hpp"
#include "experiments/program/run/verify.hpp"
#include "experiments/program/table.hpp"
#include "sim/comm/gather_text.hpp"

namespace shoal {
namespace {

// The part that a rank does without the others: everything in which the user's errors show.
Run prepare(const RunCommand& command) {
  if (command.verify) return run_from_file(command.file);
  return check_experiment(load_experiment(command.file, command.sets), command.options);
}

// Removes the run that `verify` made, with its journals if it was stopped.
void remove_run(const std::string& out) {
  std::filesystem::remove(out);
  std::filesystem::remove_all(out + ".journal");
}

const char* name_of(const RunCommand& command) { return command.verify ? "verify" : "run"; }

// Prints the failure and returns its exit code.
int fail(const RunCommand& command, const Failure& failure) {
  fmt::print(stderr, "shoal: {}\n", failure.problem);
  if (command.json) print_json_error(name_of(command), failure.problem, failure.code);
  return failure.code;
}

// Returns the exit code.
int report_json(const RunCommand& command, const Run& run, const RunResult& result) {
  bool equal = true;
  Json json = command.verify && !result.stopped ? verify_json(command.file, result, equal)
                                                : result_json(result, command.verify ? command.file : run.out);
  if (command.verify) remove_run(run.out);
  print_json(name_of(command), json);
  if (result.stopped) return stopped_code;
  return equal ? 0 : other_error_code;
}

// Returns the exit code.
int report(const RunCommand& command, const Run& run, const RunResult& result) {
  if (command.json) return report_json(command, run, result);
  if (command.verify && result.stopped) {
    remove_run(run.out);
    fmt::print("\nnot verified: stopped before the end\n");
    return stopped_code;
  }
  if (command.verify) {
    bool equal = false;
    fmt::print("\n{}", compare_with_file(command.file, result, equal));
    remove_run(run.out);
    fmt::print("{}\n", equal ? "verified: every hash is the same" : "not verified");
    return equal ? 0 : other_error_code;
  }
  if (result.stopped) {
    fmt::print("\nstopped and saved; continue with: shoal run {} --out {} --resume (and the same --set)\n",
               command.file, run.out);
    return stopped_code;
  }
  const std::size_t width = on_terminal() ? terminal_width(stdout) : no_width_limit;
  fmt::print("\n{}\nrun file   {}\nhash       {}\n", comparison_table(result.cells, width), run.out, result.hash);
  return 0;
}

// One process per rank. Errors in the user's input show on every rank alike, so the first of these ranks reports for
// all; once the run is under way, a failing rank ends the others.
int take_part(const RunCommand& command) {
  // A process of its own needs no MPI, whose daemon and connections would take longer than a small run.
  std::optional<MpiSession> session;
  if (under_launcher()) session.emplace(nullptr, nullptr);
  const std::unique_ptr<Communicator> world = session ? session->world() : single_rank();
  std::string problem;
  Run run;
  int code = 0;
  try {
    run = prepare(command);
  } catch (const UserError& error) {
    problem = printable(error.what());
    code = user_error_code;
  } catch (const std::exception& error) {
    problem = printable(first_line(error.what()));
    code = other_error_code;
  }
  const std::vector<std::string> problems = gather_text(*world, problem);
  const auto first = std::ranges::find_if(problems, [](const std::string& text) { return !text.empty(); });
  if (first != problems.end()) {
    code = code == 0 ? user_error_code : code;
    return first - problems.begin() == world->rank() ? fail(command, {code, problem}) : code;
  }

  const std::string prefix = world->size() > 1 ? fmt::format("rank {} of {}: ", world->rank(), world->size()) : "";
  catch_signals();
  int outcome = 0;
  const Failure failure = caught([&] {
    const RunResult result = run_cells(run, command.options, *world);
    if (result.stopped) outcome = stopped_code;
    if (world->rank() == 0) outcome = report(command, run, result);
  });
  if (failure.code == 0) return outcome;
  if (world->size() == 1) return fail(command, failure);
  fmt::print(stderr, "shoal: {}{}\n", prefix, failure.problem);  // by every rank that fails, so it is no object
  world->abort(failure.code);
  return failure.code;
}

int run_as_rank(const RunCommand& command) {
  int outcome = 0;
  const int code = guarded("", [&] { outcome = take_part(command); });
  return code != 0 ? code : outcome;
}

}  // namespace

int run(const RunCommand& command, const std::vector<std::string>& arguments) {
  const bool is_rank = under_launcher();  // asked before MPI starts, which sets these variables too
  if (!is_rank) note_terminal();
  if (command.ranks == 0 || is_rank) return run_as_rank(command);
  const Failure failure = caught([&] {
    prepare(command);  // errors show here, once and before any rank starts
    launch_ranks(command.ranks, arguments);
  });
  return failure.code == 0 ? 0 : fail(command, failure);
}

}  // namespace shoal
