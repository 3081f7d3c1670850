#include "experiments/program/run/run_command.hpp"

#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <optional>

#include "experiments/program/exit_codes.hpp"
#include "experiments/program/json.hpp"
#include "experiments/program/launch.hpp"
#include "experiments/program/run/progress.hpp"
#include "experiments/program/run/result_json.hpp"
#include "experiments/program/run/starter.hpp"
#include "experiments/program/run/starter_link.hpp"
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

const char* name_of(const RunCommand& command) { return command.verify ? "verify" : "run"; }

// Prints the failure and returns its exit code.
int fail(const RunCommand& command, const Failure& failure) {
  complain(failure.problem);
  if (command.json) print_json_error(name_of(command), failure.problem, failure.code);
  return failure.code;
}

// Returns the exit code.
int report_json(const RunCommand& command, const Run& run, const RunResult& result) {
  bool equal = true;
  Json json = command.verify ? verify_json(command.file, result, equal) : result_json(result, run.out);
  if (command.verify && result.stopped) json["verified"] = false;
  print_json(name_of(command), json);
  if (result.stopped) return stopped_code;
  return equal ? 0 : other_error_code;
}

// Output that cannot be written, to a full disk or for a reader who has gone, does not end a run whose file is whole.
template <class... Args>
void put(fmt::format_string<Args...> format, Args&&... args) {
  std::fputs(fmt::format(format, std::forward<Args>(args)...).c_str(), stdout);
}

// Returns the exit code.
int report(const RunCommand& command, const Run& run, const RunResult& result) {
  if (command.json) return report_json(command, run, result);
  if (command.verify && result.stopped) {
    put("\nnot verified: stopped before the end\n");
    return stopped_code;
  }
  if (command.verify) {
    bool equal = false;
    put("\n{}", compare_with_file(command.file, result, equal));
    put("{}\n", equal ? "verified: every hash is the same" : "not verified");
    return equal ? 0 : other_error_code;
  }
  if (result.stopped) {
    put("\nstopped and saved; continue with: shoal run {} --out {} --resume (and the same --set)\n", command.file,
        run.out);
    return stopped_code;
  }
  const std::size_t width = on_terminal() ? terminal_width(stdout) : no_width_limit;
  put("\n{}\nrun file   {}\nhash       {}\n", comparison_table(result.cells, width), run.out, result.hash);
  return 0;
}

// One process per rank. Errors in the user's input show on every rank alike, so the first of these ranks reports for
// all; once the run is under way, a failing rank ends the others.
int take_part(const RunCommand& command, const Launch& launch, StarterLink* starter) {
  // A process of its own needs no MPI, whose daemon and connections would take longer than a small run.
  std::optional<MpiSession> session;
  if (launch.has_mpi) session.emplace(nullptr, nullptr);
  const std::unique_ptr<Communicator> world = session ? session->world() : single_rank();
  Run run;
  const Failure failure = caught([&] {
    if (launch.has_mpi) check_world(launch, command.ranks, world->size(), world->rank());
    run = prepare(command);
  });
  const std::vector<std::string> problems = gather_text(*world, failure.problem);
  const auto first = std::ranges::find_if(problems, [](const std::string& text) { return !text.empty(); });
  if (first != problems.end()) {
    // Processes that a launcher started, but MPI did not connect, are each alone in their world.
    const bool speaks = world->size() > 1 || launch.size == 0 || launch.rank <= 0;
    if (first - problems.begin() == world->rank() && speaks) return fail(command, failure);
    return failure.code == 0 ? user_error_code : failure.code;
  }
  if (const std::string difference = disagreement(*world, agreed_facts(run, command.options), host_name());
      !difference.empty()) {
    return world->rank() == 0 ? fail(command, {user_error_code, printable(difference)}) : user_error_code;
  }

  const std::string prefix = world->size() > 1 ? fmt::format("rank {} of {}: ", world->rank(), world->size()) : "";
  catch_signals();
  int outcome = 0;
  const Failure ended = caught([&] {
    const RunResult result = run_cells(run, command.options, *world);
    if (result.stopped) outcome = stopped_code;
    if (world->rank() == 0) outcome = report(command, run, result);
  });
  const int code = ended.code;
  if (code != 0 && world->size() == 1) fail(command, ended);
  if (code != 0 && world->size() > 1) complain(prefix + ended.problem);  // by every rank that fails, so no object
  // mpirun ends the other ranks as soon as one has returned a code, whatever they still have to write.
  std::fflush(stdout);
  if (starter != nullptr) starter->end(code != 0 ? code : outcome);
  if (code != 0 && world->size() > 1) world->abort(code);
  return code != 0 ? code : outcome;
}

int run_as_rank(const RunCommand& command, const Launch& launch) {
  int outcome = 0;
  const int code = guarded("", [&] {
    std::optional<StarterLink> starter;
    if (launch.has_mpi) {
      catch_signals();  // before the starter can send one
      starter.emplace(launch.rank);
    }
    outcome = take_part(command, launch, starter ? &*starter : nullptr);
    if (starter) starter->end(outcome);
  });
  return code != 0 ? code : outcome;
}

// The command that continues this one if it is interrupted.
std::string again(const RunCommand& command, std::vector<std::string> arguments) {
  std::erase(arguments, "--anew");
  return command_line(arguments, command.verify || command.options.resume ? "" : "--resume");
}

}  // namespace

int run(const RunCommand& command, const std::vector<std::string>& arguments) {
  std::signal(SIGPIPE, SIG_IGN);  // a reader who stops reading, as `head` does, does not end a run
  // Asked before MPI starts, which sets these variables too.
  const Launch launch = find_launch([](const char* name) { return std::getenv(name); });
  if (!launch.has_mpi) {
    const Failure failure = caught([&] { check_launch(launch); });
    if (failure.code != 0) return launch.rank <= 0 ? fail(command, failure) : failure.code;
    note_terminal();
  }
  if (command.ranks == 0 || launch.has_mpi) return run_as_rank(command, launch);
  int outcome = 0;
  const Failure failure = caught([&] {
    check_cores(command.ranks);
    prepare(command);  // errors show here, once and before any rank starts
    outcome = start_ranks(command.ranks, arguments, again(command, arguments));
  });
  return failure.code != 0 ? fail(command, failure) : outcome;
}

}  // namespace shoal
