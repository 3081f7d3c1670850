#include "experiments/program/run/starter.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>

#include "experiments/program/exit_codes.hpp"
#include "experiments/program/launch.hpp"
#include "experiments/program/run/interruption.hpp"
#include "experiments/program/run/rank_watch.hpp"
#include "experiments/program/run/relay.hpp"

namespace shoal {
namespace {

std::atomic<int> requests = 0, last_request = 0;

void count_request(int number) {
  last_request = number;
  ++requests;
}

struct Pipe {
  int read = -1, write = -1;
};

Pipe make_pipe() {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) system_error("cannot make a pipe: {}", std::strerror(errno));
  return {ends[0], ends[1]};
}

std::vector<std::string> mpirun_command(int ranks, const std::vector<std::string>& arguments) {
  // More ranks than cores is a normal way to test; threads of a rank must not be bound to one core.
  std::vector<std::string> command = {"mpirun",          "--quiet",   "-n",  std::to_string(ranks),
                                      "--oversubscribe", "--bind-to", "none"};
  if (geteuid() == 0) command.emplace_back("--allow-run-as-root");
  command.push_back(own_path());
  command.insert(command.end(), arguments.begin(), arguments.end());
  return command;
}

// In a process group of its own: the terminal sends Ctrl-C to this process only, which passes it on in its way. That
// group is in the background, so mpirun may not read from the terminal.
pid_t spawn(std::vector<std::string> command, int out, int err) {
  std::vector<char*> argv;
  for (std::string& argument : command) argv.push_back(argument.data());
  argv.push_back(nullptr);
  posix_spawn_file_actions_t files;
  posix_spawn_file_actions_init(&files);
  posix_spawn_file_actions_addopen(&files, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_adddup2(&files, out, STDOUT_FILENO);
  posix_spawn_file_actions_adddup2(&files, err, STDERR_FILENO);
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  sigset_t broken_pipe;
  sigemptyset(&broken_pipe);
  sigaddset(&broken_pipe, SIGPIPE);
  posix_spawnattr_setsigdefault(&attributes, &broken_pipe);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGDEF);
  pid_t child = 0;
  const int error = posix_spawnp(&child, argv[0], &files, &attributes, argv.data(), environ);
  posix_spawnattr_destroy(&attributes);
  posix_spawn_file_actions_destroy(&files);
  if (error != 0) {
    system_error("cannot start mpirun: {}. Install Open MPI (package openmpi-bin).", std::strerror(error));
  }
  return child;
}

// Waits until something has come or a fifth of a second has passed, within which signals are noticed.
void wait_for_news(const Relay& out, const Relay& err, const RankWatch& watch) {
  std::vector<pollfd> waiting;
  out.wait_on(waiting);
  err.wait_on(waiting);
  watch.wait_on(waiting);
  poll(waiting.data(), waiting.size(), 200);
}

// How a process ended, by the status of waitpid; mpirun returns 128 + N for a rank that signal N has ended.
int ending_signal(int status) {
  if (WIFSIGNALED(status)) return WTERMSIG(status);
  const int code = WEXITSTATUS(status);
  return code > 128 && code < 128 + NSIG ? code - 128 : 0;
}

void report_death(const std::string& name, int status, const std::string& again) {
  const int number = ending_signal(status);
  const std::string how = number > 0 ? fmt::format("was ended by signal {} ({})", number, strsignal(number))
                                     : std::string("ended without giving a reason");
  const std::string why = number == SIGKILL ? " Unless it was sent on purpose, memory has run out." : "";
  complain(fmt::format("{} {}.{} What was recorded is kept. Continue with: {}", name, how, why, again));
}

// The exit code for the user.
int outcome(int status, const RankWatch& watch, const std::string& again) {
  const int code = WIFEXITED(status) ? WEXITSTATUS(status) : other_error_code;
  for (const int ours : {0, user_error_code, stopped_code}) {
    if (WIFEXITED(status) && code == ours) return code;
  }
  if (WIFSIGNALED(status)) {
    report_death("mpirun", status, again);
  } else if (const std::string& dead = watch.first_dead(); !dead.empty()) {
    report_death(dead, status, again);
  } else if (!watch.has_failed()) {
    complain(fmt::format("mpirun ended with exit code {} before all ranks had. Continue with: {}", code, again));
  }
  return other_error_code;
}

}  // namespace

int most_ranks(int cores) { return std::max(64, 16 * cores); }

void check_cores(int ranks) {
  for (const char* variable : {"SLURM_JOB_ID", "PBS_NODEFILE", "LSB_DJOB_HOSTFILE", "PE_HOSTFILE",
                               "OMPI_MCA_orte_default_hostfile", "OMPI_MCA_plm_rsh_agent"}) {
    if (std::getenv(variable) != nullptr) return;
  }
  cpu_set_t set;
  const int cores = sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 1;
  if (ranks <= most_ranks(cores)) return;
  user_error(
      "--ranks {}: this machine has {} cores, and each rank needs memory of its own. Use about {} ranks, or start more "
      "on several machines with mpirun or srun.",
      ranks, cores, cores);
}

std::string command_line(const std::vector<std::string>& arguments, const std::string& more) {
  constexpr std::string_view plain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_./=,:+@%";
  std::string line = "shoal";
  for (const std::string& argument : arguments) {
    line += ' ';
    if (!argument.empty() && argument.find_first_not_of(plain) == std::string::npos) {
      line += argument;
      continue;
    }
    line += '\'';
    for (const char letter : argument) line += letter == '\'' ? std::string("'\\''") : std::string(1, letter);
    line += '\'';
  }
  return more.empty() ? line : line + ' ' + more;
}

int start_ranks(int ranks, const std::vector<std::string>& arguments, const std::string& again) {
  // A waiting rank yields its core: otherwise other processes on the machine delay each message by a time slice, 10 ms.
  setenv("OMPI_MCA_mpi_yield_when_idle", "1", 0);
  RankWatch watch(ranks);
  const Pipe out_pipe = make_pipe(), err_pipe = make_pipe();
  on_stop_signals(count_request);
  std::signal(SIGPIPE, SIG_IGN);
  const pid_t mpirun = spawn(mpirun_command(ranks, arguments), out_pipe.write, err_pipe.write);
  close(out_pipe.write);
  close(err_pipe.write);
  Relay out(out_pipe.read, STDOUT_FILENO, Relay::everything),
      err(err_pipe.read, STDERR_FILENO, Relay::without_libevent);

  int served = 0, status = 0;
  for (bool alive = true; alive || out.is_open() || err.is_open();) {
    wait_for_news(out, err, watch);
    watch.listen();
    watch.name_the_silent();
    if (const int asked = requests; asked > served) {
      served = asked;
      if (asked == 1) watch.stop();
      if (asked > 1) {
        out.discard();  // its reader may not be reading
        err.discard();  // MPI complains about its ranks
        watch.kill();
        kill(mpirun, SIGTERM);
      }
    }
    out.pass_on();
    err.pass_on();
    if (alive && waitpid(mpirun, &status, WNOHANG) == mpirun) {
      alive = false;
      watch.listen();
    }
  }
  watch.kill();  // ranks that have lost their mpirun
  if (served > 1) {
    std::signal(last_request, SIG_DFL);
    std::raise(last_request);
  }
  const int code = outcome(status, watch, again);
  if (code == 0 && out.has_failed()) {
    complain(fmt::format("cannot write to the standard output: {}", std::strerror(out.error())));
    return other_error_code;
  }
  return code;
}

}  // namespace shoal
