#include "experiments/program/run/rank_watch.hpp"

#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <span>
#include <utility>

#include "experiments/program/exit_codes.hpp"
#include "experiments/program/run/starter_link.hpp"

namespace shoal {

RankWatch::RankWatch(int ranks) : count_(ranks), patience_(silence_limit()) { listener_ = open_starter_socket(); }

RankWatch::~RankWatch() {
  for (const Rank& rank : ranks_) {
    if (rank.stream >= 0) close(rank.stream);
  }
  close(listener_);
}

void RankWatch::wait_on(std::vector<pollfd>& waiting) const {
  waiting.push_back({listener_, POLLIN, 0});
  for (const Rank& rank : ranks_) {
    if (rank.stream >= 0) waiting.push_back({rank.stream, POLLIN, 0});
  }
}

void RankWatch::listen() {
  admit();
  for (Rank& rank : ranks_) {
    if (rank.stream >= 0) hear(rank);
  }
}

void RankWatch::admit() {
  for (int stream; (stream = accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK)) >= 0;) {
    ucred peer{};
    socklen_t size = sizeof peer;
    // Any local user can connect to an abstract address.
    if (getsockopt(stream, SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0 || peer.uid != geteuid()) {
      close(stream);
      continue;
    }
    ranks_.push_back({.stream = stream, .process = peer.pid, .last_beat = Clock::now()});
    if (is_stopping_) ::kill(peer.pid, SIGUSR1);  // its handler is there before it connects
  }
}

void RankWatch::hear(Rank& rank) {
  std::array<char, 256> bytes;
  ssize_t got = 0;
  while ((got = recv(rank.stream, bytes.data(), bytes.size(), 0)) > 0) {
    rank.last_beat = Clock::now();
    if (std::exchange(rank.is_silent, false)) complain(fmt::format("{} answers again", name(rank)));
    for (const char byte : std::span(bytes).first(got)) {
      if (rank.number.size() < sizeof(int)) {
        rank.number += byte;
      } else if (byte != static_cast<char>(Beat::alive)) {
        rank.has_ended = true;
        has_failed_ = has_failed_ || byte == static_cast<char>(Beat::failed);
      }
    }
  }
  if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR)) return;
  close(rank.stream);
  rank.stream = -1;
  if (!rank.has_ended && !has_failed_ && first_dead_.empty()) first_dead_ = name(rank);
}

void RankWatch::name_the_silent() {
  const auto now = Clock::now();
  for (Rank& rank : ranks_) {
    const std::chrono::duration<double> silence = now - rank.last_beat;
    if (rank.stream < 0 || rank.has_ended || rank.is_silent || silence.count() < patience_) continue;
    rank.is_silent = true;
    complain(
        fmt::format("{} has not answered for {:g} s: it is stopped, or its machine is overloaded. The others wait "
                    "for it.",
                    name(rank), patience_));
  }
}

void RankWatch::stop() {
  is_stopping_ = true;
  for (const Rank& rank : ranks_) {
    if (rank.stream >= 0 && !rank.has_ended) ::kill(rank.process, SIGUSR1);
  }
}

void RankWatch::kill() {
  for (const Rank& rank : ranks_) {
    if (rank.stream >= 0) ::kill(rank.process, SIGKILL);
  }
}

std::string RankWatch::name(const Rank& rank) const {
  int number = 0;
  std::memcpy(&number, rank.number.data(), std::min(sizeof number, rank.number.size()));
  return fmt::format("rank {} of {} (process {})", number, count_, rank.process);
}

}  // namespace shoal
