// The program `shoal`: its command line.

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cctype>
#include <csignal>
#include <cstdio>

#include "experiments/program/commands.hpp"
#include "experiments/program/exit_codes.hpp"
#include "experiments/program/json.hpp"
#include "experiments/program/launch.hpp"
#include "experiments/program/pin_threads.hpp"
#include "sim/error.hpp"

namespace {

using namespace shoal;  // NOLINT: the program is written in its own namespace's words

// A wrong command line is one line of error too. All ranks got the same one, so one of them reports it.
int reject_arguments(const CLI::ParseError& error, const std::vector<std::string>& arguments) {
  std::vector<std::string> names;
  for (const Command& command : commands()) names.emplace_back(command.name);
  const std::string first = arguments.empty() ? "" : arguments.front();
  const bool known = std::ranges::find(names, first) != names.end();
  std::string problem = first_line(error.what()), help = known ? first + " --help" : "--help";
  const bool word = problem.size() > 1 && std::islower(static_cast<unsigned char>(problem[1])) != 0;  // FILE stays
  if (word) problem[0] = static_cast<char>(std::tolower(static_cast<unsigned char>(problem[0])));
  if (!known && !first.empty() && !first.starts_with('-')) {
    problem = fmt::format("there is no command '{}'", first);
    if (const std::string near = nearest(first, names); !near.empty()) help = near;
  }
  if (!speaks_for_all()) return user_error_code;
  problem = printable(problem + fmt::format(". Try 'shoal {}'.", help));
  complain(problem);
  const bool as_json = std::ranges::find(arguments, "--json") != arguments.end();
  if (as_json) print_json_error(known ? first : "", problem, user_error_code);
  return user_error_code;
}

// Whichever of the standard streams is closed becomes /dev/null: otherwise the first file that the program opens would
// take its place, and get the progress.
void open_standard_streams() {
  for (const int stream : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) {
    if (fcntl(stream, F_GETFD) < 0) open("/dev/null", stream == STDIN_FILENO ? O_RDONLY : O_WRONLY);
  }
}

// Output that could not be written is an error, unless its reader has gone on purpose, as `head` does.
int finish_output(int code) {
  const bool whole = std::fflush(stdout) == 0 && std::ferror(stdout) == 0;
  pollfd out{STDOUT_FILENO, 0, 0};
  const bool has_reader = poll(&out, 1, 0) <= 0 || (out.revents & POLLERR) == 0;
  if (whole || !has_reader || code != 0) return code;
  complain("the standard output could not be written completely. Make room on its disk.");
  return other_error_code;
}

}  // namespace

int main(int argc, char** argv) {
  open_standard_streams();
  if (const int code = guarded("", [&] { pin_library_threads(argv); }); code != 0) return code;
  std::signal(SIGXFSZ, SIG_IGN);  // a file that grows too large is an error of write(), not a death

  CLI::App app{
      "Shoal compares federated-learning strategies on simulated clients, with the same bits on any number of "
      "ranks.\n\n"
      "  shoal run experiments/quickstart.toml --ranks 2     run an experiment\n"
      "  shoal plan experiments/quickstart.toml              what it will cost, without running it\n"
      "  shoal table results/quickstart.h5                   its table again, also as LaTeX, CSV or Markdown\n"
      "  shoal report results/quickstart.h5 --out page.html  its tables and charts as a page\n"
      "  shoal export results/quickstart.h5                  its models as safetensors, its tables as CSV\n"
      "  shoal verify results/quickstart.h5                  run it again and compare the hashes\n"
      "  shoal diff results/a.h5 results/b.h5                where two runs differ\n"
      "  shoal new experiment.toml                           a commented experiment to start from\n"
      "  shoal calibrate                                     how many clients should train together here\n"
      "  shoal pretrain --out talk.safetensors               a language model as policy, for experiments with agents\n"
      "  shoal list                                          what strategies, planners, data sets ... there are\n"
      "  shoal explain fed_prox                              what a part does and which settings it reads"};
  app.name("shoal");
  app.require_subcommand(1);
  app.set_version_flag("--version", SHOAL_VERSION " (" SHOAL_COMMIT ")");
  const std::vector<std::string> arguments(argv + 1, argv + argc);
  std::function<int()> chosen;
  for (const Command& command : commands()) {
    CLI::App* sub = app.add_subcommand(command.name, command.about);
    sub->footer(std::string("Examples:\n") + command.examples);
    sub->callback([&chosen, run = command.declare(*sub, arguments)] { chosen = run; });
  }
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return error.get_exit_code() == 0 ? app.exit(error) : reject_arguments(error, arguments);  // 0: --help
  }
  return finish_output(chosen());
}
