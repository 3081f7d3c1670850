#include "experiments/program/run/relay.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>
#include <utility>

namespace shoal {
namespace {

bool is_ready(int descriptor, short events) {
  pollfd one{descriptor, events, 0};
  return poll(&one, 1, 0) == 1;
}

}  // namespace

Relay::Relay(int from, int to, Content content) : from_(from), to_(to), content_(content) {
  fcntl(from_, F_SETFL, fcntl(from_, F_GETFL) | O_NONBLOCK);
}

Relay::~Relay() {
  if (from_ >= 0) close(from_);
}

void Relay::wait_on(std::vector<pollfd>& waiting) const {
  if (!pending_.empty()) {
    waiting.push_back({to_, POLLOUT, 0});
  } else if (from_ >= 0) {
    waiting.push_back({from_, POLLIN, 0});
  }
}

void Relay::discard() {
  is_discarding_ = true;
  pending_.clear();
  held_.clear();
}

void Relay::pass_on() {
  if (pending_.empty() && from_ >= 0) take();
  if (pending_.empty() || !is_ready(to_, POLLOUT)) return;
  // A pipe that is ready takes PIPE_BUF bytes without waiting.
  const ssize_t written = write(to_, pending_.data(), std::min<std::size_t>(pending_.size(), PIPE_BUF));
  if (written >= 0) {
    pending_.erase(0, written);
  } else if (errno != EINTR && errno != EAGAIN) {
    if (errno != EPIPE) error_ = errno;
    discard();
  }
}

void Relay::take() {
  std::array<char, PIPE_BUF> bytes;
  const ssize_t got = read(from_, bytes.data(), bytes.size());
  if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (got > 0 && !is_discarding_) held_.append(bytes.data(), got);
  if (got <= 0) {
    close(from_);
    from_ = -1;
  }
  sift(from_ < 0);
}

// The library of events inside mpirun warns of what mpirun itself does when it ends its ranks.
void Relay::sift(bool at_end) {
  if (content_ == everything) pending_ += std::exchange(held_, {});
  while (!held_.empty()) {
    const std::size_t newline = held_.find('\n');
    if (newline == std::string::npos && !at_end) return;
    const std::size_t length = newline == std::string::npos ? held_.size() : newline + 1;
    if (!held_.starts_with("[warn] ")) pending_.append(held_, 0, length);
    held_.erase(0, length);
  }
}

}  // namespace shoal
