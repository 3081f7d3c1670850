// Letters over sockets: between mailboxes of one process, between real processes, and what is refused.
#include "sim/comm/socket_mailbox.hpp"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <thread>

#include "sim/comm/socket_frames.hpp"
#include "tests/ranks/mailbox_checks.hpp"

namespace {

using namespace shoal;
using std::chrono::milliseconds;

constexpr Endpoint a{1}, b{2}, c{3};

std::vector<Endpoint> only(Endpoint endpoint) { return {endpoint}; }

Letter letter(Endpoint from, Endpoint to, std::int32_t kind = 0, std::shared_ptr<const Bytes> body = nullptr) {
  return {from, to, LetterKind{kind}, std::move(body), Ticks{0}};
}

// A path in a folder of this process; sockets allow about 100 bytes.
std::string path_of(const std::string& name) {
  return (std::filesystem::temp_directory_path() / fmt::format("shoal-{}-{}", getpid(), name)).string();
}

struct Pair {
  std::unique_ptr<SocketMailbox> first, second;
  explicit Pair(std::int64_t capacity = 3, const std::vector<Endpoint>& own = {a},
                const std::vector<Endpoint>& others = {b}) {
    int ends[2];
    EXPECT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    first = letters_over(ends[0], own, capacity);
    second = letters_over(ends[1], others, capacity);
    EXPECT_TRUE(first->wait_for(others[0], ten_seconds));
    EXPECT_TRUE(second->wait_for(own[0], ten_seconds));
  }
};

TEST(SocketMailbox, KeepsOrderAndLosesNothing) {
  for (const std::int64_t capacity : {1, 3}) {
    const std::vector<Endpoint> left = {a, Endpoint{-5}}, right = {b, c};
    Pair pair(capacity, left, right);
    std::thread other([&] { check_exchange_of_letters(*pair.second, right, left, 40); });
    check_exchange_of_letters(*pair.first, left, right, 40);
    EXPECT_TRUE(pair.first->flush(ten_seconds));
    other.join();
  }
}

TEST(SocketMailbox, KeepsTimersAndWaits) {
  Pair pair;
  check_timers(*pair.first, a, 7);
  check_waiting(*pair.first);
  const Ticks begin = pair.second->now();
  EXPECT_TRUE(pair.first->send({a, b, LetterKind{1}, nullptr, pair.first->now() + Ticks{40'000}}));
  EXPECT_TRUE(pair.first->send(letter(a, b, 2)));
  EXPECT_EQ(pair.second->next(ten_seconds)->kind, LetterKind{2});
  const auto timer = pair.second->next(ten_seconds);
  ASSERT_TRUE(timer);
  EXPECT_EQ(timer->kind, LetterKind{1});
  EXPECT_GE(pair.second->now() - begin, Ticks{40'000});
}

TEST(SocketMailbox, RefusesWhatAFullQueueCannotHold) {
  for (const std::int32_t capacity : {1, 4}) {
    Pair pair(capacity);
    for (std::int32_t i = 0; i < capacity; ++i) EXPECT_TRUE(pair.first->send(letter(a, b, i)));
    for (int i = 0; i < 3; ++i) EXPECT_FALSE(pair.first->send(letter(a, b, capacity)));
    EXPECT_FALSE(pair.first->next(milliseconds(5)));
    EXPECT_FALSE(pair.first->send(letter(a, b, capacity)));
    std::thread reader([&] { EXPECT_EQ(pair.second->next(ten_seconds)->kind, LetterKind{0}); });
    EXPECT_FALSE(pair.first->next(ten_seconds));  // returns since there is room
    EXPECT_LT(pair.first->now(), Ticks{5'000'000});
    reader.join();
    EXPECT_TRUE(pair.first->send(letter(a, b, capacity)));
    for (std::int32_t i = 1; i <= capacity; ++i) EXPECT_EQ(pair.second->next(ten_seconds)->kind, LetterKind{i});
    EXPECT_FALSE(pair.second->next(milliseconds(0)));
  }
}

TEST(SocketMailbox, TakesMoreThanASocketHolds) {
  Pair pair(2);
  const auto weights = body_of(a, b, 0, 5'000'003);
  EXPECT_TRUE(pair.first->send(letter(a, b, 0, weights)));
  EXPECT_TRUE(pair.first->send(letter(a, b, 1, weights)));  // although the first is not through
  EXPECT_FALSE(pair.first->flush(milliseconds(5)));
  std::thread sender([&] { EXPECT_TRUE(pair.first->flush(ten_seconds)); });
  for (const std::int32_t i : {0, 1}) {
    const auto got = pair.second->next(ten_seconds);
    ASSERT_TRUE(got);
    EXPECT_EQ(got->kind, LetterKind{i});
    EXPECT_EQ(*got->body, *weights);
  }
  sender.join();
}

TEST(SocketMailbox, SendsItsLettersBeforeItLeaves) {
  Pair pair(2);
  const auto weights = body_of(a, b, 0, 1'000'003);
  EXPECT_TRUE(pair.first->send(letter(a, b, 0, weights)));
  EXPECT_TRUE(pair.second->send(letter(b, a)));  // never read
  std::thread leaves([&] { pair.first.reset(); });
  const auto got = pair.second->next(ten_seconds);
  leaves.join();
  ASSERT_TRUE(got);
  EXPECT_EQ(*got->body, *weights);
  EXPECT_FALSE(pair.second->next(milliseconds(20)));  // no error
  EXPECT_THROW(pair.second->send(letter(b, a)), NoSuchEndpoint);
}

// --- real processes --------------------------------------------------------------------------------------------------

// Runs `body` in another process; `wait` returns its exit code, or -signal.
class Child {
 public:
  explicit Child(const std::function<void()>& body) : process_(fork()) {
    if (process_ != 0) return;
    try {
      body();
    } catch (const std::exception& error) {
      std::fprintf(stderr, "child: %s\n", error.what());
      _exit(1);
    }
    _exit(0);
  }
  ~Child() {
    if (process_ > 0) wait();
  }
  void kill() const { ::kill(process_, SIGKILL); }
  int wait() {
    int status = 0;
    waitpid(std::exchange(process_, 0), &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
  }

 private:
  pid_t process_;
};

TEST(SocketMailbox, ConnectsProcesses) {
  const std::string path = path_of("processes");
  const std::vector<Endpoint> here = {a}, there = {b, c};
  Child child([&] {
    const auto mailbox = connect_for_letters(path, there, 3, ten_seconds);
    check_exchange_of_letters(*mailbox, there, here, 40);
  });
  const auto mailbox = listen_for_letters(path, here, 3);
  ASSERT_TRUE(mailbox->wait_for(c, ten_seconds));
  check_exchange_of_letters(*mailbox, here, there, 40);
  EXPECT_TRUE(mailbox->flush(ten_seconds));
  EXPECT_FALSE(mailbox->next(milliseconds(20)));
  EXPECT_EQ(child.wait(), 0);
}

TEST(SocketMailbox, ReportsAProcessThatWasKilled) {
  const std::string path = path_of("killed");
  Child child([&] {
    const auto mailbox = connect_for_letters(path, only(b), 1, ten_seconds);
    mailbox->send(letter(b, a, 7));
    mailbox->flush(ten_seconds);
    pause();
  });
  const auto mailbox = listen_for_letters(path, only(a), 1);
  ASSERT_TRUE(mailbox->wait_for(b, ten_seconds));
  EXPECT_TRUE(mailbox->send(letter(a, b)));
  EXPECT_FALSE(mailbox->send(letter(a, b)));
  ASSERT_TRUE(mailbox->next(ten_seconds));  // the letter that it sent
  child.kill();
  EXPECT_EQ(child.wait(), -SIGKILL);
  try {
    mailbox->next(ten_seconds);
    FAIL() << "no error";
  } catch (const PeerFailed& error) {
    EXPECT_EQ(error.what(), "a process that connected to '" + path + "' (endpoint 2) went away without a goodbye");
    EXPECT_EQ(error.endpoints, only(b));
  }
  EXPECT_LT(mailbox->now(), Ticks{9'000'000});
  EXPECT_THROW(mailbox->send(letter(a, b)), NoSuchEndpoint);
  EXPECT_FALSE(mailbox->next(milliseconds(1)));  // once
}

TEST(SocketMailbox, ServesOthersAfterOneFailed) {
  const std::string path = path_of("star");
  const auto centre = listen_for_letters(path, only(a), 2);
  const auto stays = [&] {
    const auto mailbox = connect_for_letters(path, only(b), 2, ten_seconds);
    while (!mailbox->send(letter(b, a, 1))) mailbox->next(ten_seconds);
    ensure(mailbox->next(ten_seconds).has_value(), "no answer");
  };
  Child first(stays);
  Child second([&] {
    const auto mailbox = connect_for_letters(path, only(c), 2, ten_seconds);
    throw UserError("failing on purpose");
  });
  int failures = 0;
  std::optional<Letter> got;
  while (!got || failures == 0) {
    try {
      if (auto next = centre->next(ten_seconds)) got = next;
    } catch (const PeerFailed& error) {
      EXPECT_EQ(error.endpoints, only(c));
      ++failures;
    }
  }
  EXPECT_EQ(got->from, b);
  EXPECT_TRUE(centre->send(letter(a, b)));
  EXPECT_TRUE(centre->flush(ten_seconds));
  EXPECT_EQ(first.wait(), 0);
  EXPECT_EQ(second.wait(), 1);
}

// --- what is refused -------------------------------------------------------------------------------------------------

template <class T>
void append(Bytes& bytes, const T& value) {
  const auto more = std::as_bytes(std::span(&value, 1));
  bytes.insert(bytes.end(), more.begin(), more.end());
}

Bytes greeting(const SocketGreeting& head, const std::vector<std::int64_t>& endpoints) {
  Bytes bytes;
  append(bytes, head);
  for (const std::int64_t endpoint : endpoints) append(bytes, endpoint);
  return bytes;
}

Bytes of_b() { return greeting({.endpoints = 1, .capacity = 2}, {value(b)}); }

Bytes after_greeting(const std::vector<SocketFrame>& frames) {
  Bytes bytes = of_b();
  for (const SocketFrame& frame : frames) append(bytes, frame);
  return bytes;
}

// The error of a mailbox for endpoint 1 and 2 letters when a process sends these bytes, and then waits or closes.
enum class Then { waits, closes };
std::string complaint(const Bytes& bytes, Then then = Then::waits) {
  int ends[2];
  EXPECT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
  std::string text = "(nothing)";
  {
    const auto mailbox = letters_over(ends[0], only(a), 2);
    EXPECT_EQ(write(ends[1], bytes.data(), bytes.size()), std::ssize(bytes));
    if (then == Then::closes) close(ends[1]);
    try {
      while (mailbox->next(milliseconds(then == Then::closes ? 10'000 : 50))) {
      }
    } catch (const PeerFailed& error) {
      text = error.what();
      EXPECT_FALSE(mailbox->next(milliseconds(0)));
    }
  }
  if (then == Then::waits) close(ends[1]);
  constexpr std::string_view who = "the process at the other end of a socket ";
  return text.starts_with(who) ? text.substr(who.size()) : text;
}

TEST(SocketMailbox, RefusesGarbageForAGreeting) {
  EXPECT_EQ(complaint(of_b()), "(nothing)");
  EXPECT_EQ(complaint(Bytes(24, std::byte{'G'})), "does not greet as a mailbox of Shoal");
  EXPECT_EQ(complaint(greeting({.version = 7, .endpoints = 1, .capacity = 1}, {2})),
            "uses version 7 of the greeting instead of 1");
  EXPECT_EQ(complaint(greeting({.endpoints = 0, .capacity = 1}, {})), "announces 0 endpoints");
  EXPECT_EQ(complaint(greeting({.endpoints = 4'000'000'000, .capacity = 1}, {2})), "announces 4000000000 endpoints");
  EXPECT_EQ(complaint(greeting({.endpoints = 1, .capacity = 0}, {2})), "announces room for 0 letters");
  EXPECT_EQ(complaint(greeting({.endpoints = 1, .capacity = -5}, {2})), "announces room for -5 letters");
  EXPECT_EQ(complaint(greeting({.endpoints = 1, .capacity = 1}, {value(a)})),
            "announces endpoint 1, which is there already");
  EXPECT_EQ(complaint(greeting({.endpoints = 2, .capacity = 1}, {8, 8})),
            "(endpoint 8) announces endpoint 8, which is there already");
  const Bytes whole = of_b();
  for (std::size_t n = 0; n < whole.size(); ++n) {
    EXPECT_EQ(complaint({whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(n)}, Then::closes),
              n == 0 ? "went away before its greeting" : "went away within its greeting");
  }
}

TEST(SocketMailbox, RefusesFramesThatAreNotLetters) {
  const SocketFrame good{.from = value(b), .to = value(a)};
  const auto with = [&](const auto& change) {
    SocketFrame frame = good;
    change(frame);
    return after_greeting({frame});
  };
  EXPECT_EQ(complaint(after_greeting({good})), "(nothing)");
  EXPECT_EQ(complaint(with([](SocketFrame& f) { f.frame = static_cast<FrameKind>(9); })),
            "(endpoint 2) sends a frame of the unknown kind 9");
  EXPECT_EQ(complaint(with([](SocketFrame& f) { f.from = 77; })),
            "(endpoint 2) sends a letter of endpoint 77, which is not there");
  EXPECT_EQ(complaint(with([](SocketFrame& f) { f.to = 77; })),
            "(endpoint 2) sends a letter to endpoint 77, which is not here");
  EXPECT_EQ(complaint(with([](SocketFrame& f) { f.size = std::uint64_t{1} << 60; })),
            "(endpoint 2) sends a letter of 1152921504606846976 bytes");
  EXPECT_EQ(complaint(with([](SocketFrame& f) { f.frame = FrameKind::credit; })),
            "(endpoint 2) reports more room than it has");
  const SocketFrame later{.from = value(b), .to = value(a), .delay = std::int64_t{1} << 62};
  EXPECT_EQ(complaint(after_greeting({later, later})), "(nothing)");
  EXPECT_EQ(complaint(after_greeting({later, later, later})), "(endpoint 2) sends more letters than there is room for");
}

TEST(SocketMailbox, RefusesLettersThatAreCutShort) {
  SocketFrame frame{.from = value(b), .to = value(a), .size = 3};
  Bytes whole = after_greeting({frame});
  const std::size_t begin = of_b().size();
  whole.resize(whole.size() + 3);
  for (std::size_t n = begin; n <= whole.size(); ++n) {
    EXPECT_EQ(complaint({whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(n)}, Then::closes),
              n == begin || n == whole.size() ? "(endpoint 2) went away without a goodbye"
                                              : "(endpoint 2) went away within a letter");
  }
  frame.size = largest_letter;  // its memory is taken as it arrives
  whole = after_greeting({frame});
  whole.resize(whole.size() + 1000);
  EXPECT_EQ(complaint(whole, Then::closes), "(endpoint 2) went away within a letter");
}

TEST(SocketMailbox, TakesAPathThatIsFree) {
  const std::string path = path_of("path");
  {
    const auto mailbox = listen_for_letters(path, only(a), 1);
    struct stat facts {};
    ASSERT_EQ(lstat(path.c_str(), &facts), 0);
    EXPECT_EQ(facts.st_mode & 0777, S_IRUSR | S_IWUSR);
    EXPECT_THROW(listen_for_letters(path, only(a), 1), UserError);
    EXPECT_TRUE(std::filesystem::exists(path));
  }
  EXPECT_FALSE(std::filesystem::exists(path));
  {
    Child killed([&] {
      const auto mailbox = listen_for_letters(path, only(a), 1);
      _exit(0);  // leaves its file behind
    });
    EXPECT_EQ(killed.wait(), 0);
    EXPECT_TRUE(std::filesystem::exists(path));
    EXPECT_NO_THROW(listen_for_letters(path, only(a), 1));
  }
  std::ofstream(path) << "a file";
  EXPECT_THROW(listen_for_letters(path, only(a), 1), UserError);
  EXPECT_EQ(std::filesystem::file_size(path), 6);
  std::filesystem::remove(path);
  EXPECT_THROW(listen_for_letters(path + "/in/no/folder", only(a), 1), UserError);
  EXPECT_THROW(listen_for_letters(std::string(200, 'x'), only(a), 1), UserError);
}

TEST(SocketMailbox, WaitsForAListenerAndGivesUp) {
  const std::string path = path_of("late");
  EXPECT_THROW(connect_for_letters(path, only(b), 1, milliseconds(20)), SystemError);
  std::unique_ptr<SocketMailbox> listener;
  std::thread late([&] {
    std::this_thread::sleep_for(milliseconds(30));
    listener = listen_for_letters(path, only(a), 1);
    EXPECT_TRUE(listener->wait_for(b, ten_seconds));
    EXPECT_FALSE(listener->wait_for(c, milliseconds(5)));
  });
  const auto mailbox = connect_for_letters(path, only(b), 1, ten_seconds);
  EXPECT_TRUE(mailbox->wait_for(a, milliseconds(0)));
  late.join();
}

TEST(SocketMailbox, GivesUpAListenerThatDoesNotGreet) {
  const std::string path = path_of("silent");
  const auto silent = listen_for_letters(path, only(a), 1);  // it does no work meanwhile
  EXPECT_THROW(connect_for_letters(path, only(b), 1, milliseconds(20)), SystemError);
}

}  // namespace
