// The starter's knowledge of its ranks: processes that die, say goodbye, stand still or are asked to stop.

#include "experiments/program/run/rank_watch.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <functional>
#include <thread>

#include "experiments/program/run/starter_link.hpp"
#include "sim/error.hpp"

namespace shoal {
namespace {

using testing::HasSubstr;

// Runs `body` in a process of its own, which ends with it.
pid_t start(const std::function<void()>& body) {
  const pid_t child = fork();
  if (child != 0) return child;
  body();
  _exit(0);
}

// Listens until `holds`, for 10 seconds at most.
bool listen_until(RankWatch& watch, const std::function<bool()>& holds) {
  for (int i = 0; i < 1000 && !holds(); ++i) {
    watch.listen();
    watch.name_the_silent();
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  return holds();
}

bool is_connected(const RankWatch& watch) {
  std::vector<pollfd> waiting;
  watch.wait_on(waiting);
  return waiting.size() > 1;  // the first is for new ranks
}

int exit_code(pid_t child) {
  int status = 0;
  waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

TEST(RankWatch, NamesTheFirstThatDies) {
  for (const int number : {SIGKILL, SIGSEGV, SIGABRT}) {
    RankWatch watch(3);
    const pid_t child = start([] {
      const StarterLink link(2);
      pause();
    });
    ASSERT_TRUE(listen_until(watch, [&] { return is_connected(watch); }));
    kill(child, number);
    EXPECT_EQ(exit_code(child), -number);
    ASSERT_TRUE(listen_until(watch, [&] { return !is_connected(watch); }));
    EXPECT_EQ(watch.first_dead(), "rank 2 of 3 (process " + std::to_string(child) + ")");
    EXPECT_FALSE(watch.has_failed());
  }
}

TEST(RankWatch, BelievesAGoodbye) {
  for (const int code : {0, 75, 1, 2}) {
    RankWatch watch(2);
    const pid_t child = start([code] { StarterLink(0).end(code); });
    EXPECT_EQ(exit_code(child), 0);
    watch.listen();
    EXPECT_FALSE(is_connected(watch));
    EXPECT_EQ(watch.first_dead(), "");
    EXPECT_EQ(watch.has_failed(), code == 1 || code == 2);
  }
}

TEST(RankWatch, NamesOneThatStandsStill) {
  setenv(silence_variable, "2", 1);
  RankWatch watch(2);
  const pid_t child = start([] {
    const StarterLink link(1);
    while (true) pause();
  });
  ASSERT_TRUE(listen_until(watch, [&] { return is_connected(watch); }));
  testing::internal::CaptureStderr();
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(3);
  listen_until(watch, [&] { return std::chrono::steady_clock::now() > end; });
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "") << "it answers";

  kill(child, SIGSTOP);
  std::string said;
  const auto name = "rank 1 of 2 (process " + std::to_string(child) + ") ";
  const auto says = [&](const std::string& what) {
    return [&, what] {
      said += testing::internal::GetCapturedStderr();
      testing::internal::CaptureStderr();
      return said.find(name + what) != std::string::npos;
    };
  };
  testing::internal::CaptureStderr();
  EXPECT_TRUE(listen_until(watch, says("has not answered for 2 s"))) << said;
  kill(child, SIGCONT);
  EXPECT_TRUE(listen_until(watch, says("answers again"))) << said;
  testing::internal::GetCapturedStderr();
  watch.kill();
  EXPECT_EQ(exit_code(child), -SIGKILL);
  unsetenv(silence_variable);
}

TEST(RankWatch, StopsRanksNowAndLater) {
  const auto obedient = [] {
    std::signal(SIGUSR1, [](int) { _exit(42); });
    const StarterLink link(0);
    while (true) pause();
  };
  RankWatch watch(2);
  const pid_t early = start(obedient);
  ASSERT_TRUE(listen_until(watch, [&] { return is_connected(watch); }));
  watch.stop();
  EXPECT_EQ(exit_code(early), 42);
  const pid_t late = start(obedient);
  int status = 0;
  bool has_ended = false;
  listen_until(watch, [&] { return has_ended = has_ended || waitpid(late, &status, WNOHANG) == late; });
  EXPECT_TRUE(has_ended && WIFEXITED(status) && WEXITSTATUS(status) == 42);
}

TEST(RankWatch, RanksNoticeThatTheStarterIsGone) {
  // This process is the rank; the stop that its link asks for is seen by the program's tests.
  auto watch = std::make_unique<RankWatch>(1);
  StarterLink link(0);
  watch->listen();
  watch.reset();
  link.end(0);
}

TEST(RankWatch, RefusesASilenceThatIsNoTime) {
  for (const char* text : {"", "0", "-1", "soon", "nan", "inf", "3 s"}) {
    setenv(silence_variable, text, 1);
    EXPECT_THROW(silence_limit(), UserError) << text;
  }
  unsetenv(silence_variable);
  EXPECT_EQ(silence_limit(), 60);
}

}  // namespace
}  // namespace shoal
