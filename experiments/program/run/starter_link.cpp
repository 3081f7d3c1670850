#include "experiments/program/run/starter_link.hpp"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <cmath>
#include <csignal>
#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <string>

#include "experiments/program/run/agreement.hpp"
#include "experiments/program/run/interruption.hpp"
#include "sim/error.hpp"

namespace shoal {
namespace {

// Linux's abstract names belong to no folder: nothing is left behind when a process is killed.
struct AbstractName {
  explicit AbstractName(const std::string& name) {
    address.sun_family = AF_UNIX;
    const std::size_t length = std::min(name.size(), sizeof address.sun_path - 1);
    std::memcpy(address.sun_path + 1, name.data(), length);
    size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 + length);
  }
  const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&address); }

  sockaddr_un address{};
  socklen_t size;
};

void send_byte(int stream, Beat beat) {
  const char byte = static_cast<char>(beat);
  [[maybe_unused]] const ssize_t sent = send(stream, &byte, 1, MSG_NOSIGNAL | MSG_DONTWAIT);
}

// The starter never writes: reading tells that it is gone.
bool has_left(int stream) {
  char byte;
  const ssize_t got = recv(stream, &byte, 1, MSG_DONTWAIT);
  return got == 0 || (got < 0 && errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR);
}

}  // namespace

double silence_limit() {
  const char* text = std::getenv(silence_variable);
  if (text == nullptr) return 60;
  double seconds = 0;
  const auto [end, error] = std::from_chars(text, text + std::strlen(text), seconds);
  if (error != std::errc() || *end != '\0' || !std::isfinite(seconds) || seconds <= 0) {
    user_error("the environment variable {} is '{}'. Set it to a number of seconds above 0, or remove it.",
               silence_variable, text);
  }
  return seconds;
}

int open_starter_socket() {
  // A rank on another machine, which may have got the variable, must not find another program under this name.
  const std::string name =
      fmt::format("shoal-{}-{}-{}", host_name(), getpid(), std::chrono::steady_clock::now().time_since_epoch().count());
  const AbstractName address(name);
  const int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (listener < 0 || bind(listener, address.get(), address.size) != 0 || listen(listener, SOMAXCONN) != 0) {
    system_error("cannot open a local socket for the ranks: {}", std::strerror(errno));
  }
  setenv(starter_variable, name.c_str(), 1);
  return listener;
}

StarterLink::StarterLink(int rank) : pause_(std::min(1.0, silence_limit() / 4)) {
  const char* name = std::getenv(starter_variable);
  if (name == nullptr) return;
  const AbstractName address(name);
  stream_ = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (stream_ < 0 || connect(stream_, address.get(), address.size) != 0 ||
      send(stream_, &rank, sizeof rank, MSG_NOSIGNAL) != sizeof rank) {
    if (stream_ >= 0) close(stream_);
    stream_ = -1;
    return;
  }
  // Signals are for the main thread, whose calls they interrupt.
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  thread_ = std::thread([this] { beat(); });
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

StarterLink::~StarterLink() {
  end(1);  // left by an exception, which is printed further up
  if (stream_ >= 0) close(stream_);
}

void StarterLink::end(int exit_code) {
  if (!thread_.joinable()) return;
  {
    const std::lock_guard lock(mutex_);
    ended_ = true;
  }
  changed_.notify_one();
  thread_.join();
  send_byte(stream_, exit_code == 0 || exit_code == 75 ? Beat::done : Beat::failed);
}

void StarterLink::beat() {
  std::unique_lock lock(mutex_);
  while (!ended_) {
    send_byte(stream_, Beat::alive);
    if (has_left(stream_)) {
      request_stop();
      return;
    }
    changed_.wait_for(lock, std::chrono::duration<double>(pause_));
  }
}

}  // namespace shoal
