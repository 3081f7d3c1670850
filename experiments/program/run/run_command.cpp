#include "experiments/program/run/run_command.hpp"

#include <algorithm>
#include <optional>

#include "experiments/program/exit_codes.hpp"
#include "experiments/program/launch.hpp"
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

// Returns the exit code.
int report(const RunCommand& command, const Run& run, const RunResult& result) {
  if (command.verify && result.stopped) {
    fmt::print("\nnot verified: stopped before the end\n");
    return stopped_code;
  }
  if (command.verify) {
    bool equal = false;
    fmt::print("\n{}", compare_with_file(command.file, result, equal));
    fmt::print("{}\n", equal ? "verified: every hash is the same" : "not verified");
    return equal ? 0 : other_error_code;
  }
  if (result.stopped) {
    fmt::print("\nstopped and saved; continue with: shoal run {} --out {} --resume (and the same --set)\n",
               command.file, run.out);
    return stopped_code;
  }
  fmt::print("\n{}\nrun file   {}\nhash       {}\n", comparison_table(result.cells), run.out, result.hash);
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
    problem = error.what();
    code = user_error_code;
  } catch (const std::exception& error) {
    problem = first_line(error.what());
    code = other_error_code;
  }
  const std::vector<std::string> problems = gather_text(*world, problem);
  const auto first = std::ranges::find_if(problems, [](const std::string& text) { return !text.empty(); });
  if (first != problems.end()) {
    if (first - problems.begin() == world->rank()) fmt::print(stderr, "shoal: {}\n", problem);
    return code == 0 ? user_error_code : code;
  }

  const std::string prefix = world->size() > 1 ? fmt::format("rank {} of {}: ", world->rank(), world->size()) : "";
  catch_signals();
  int outcome = 0;
  code = guarded(prefix, [&] {
    const RunResult result = run_cells(run, command.options, *world);
    if (result.stopped) outcome = stopped_code;
    if (world->rank() == 0) outcome = report(command, run, result);
  });
  if (code != 0 && world->size() > 1) world->abort(code);
  return code != 0 ? code : outcome;
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
  return guarded("", [&] {
    prepare(command);  // errors show here, once and before any rank starts
    launch_ranks(command.ranks, arguments);
  });
}

}  // namespace shoal
