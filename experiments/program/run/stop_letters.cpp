#include "experiments/program/run/stop_letters.hpp"

#include <array>

namespace shoal {
namespace {

constexpr LetterKind stop{1};

}  // namespace

StopLetters::StopLetters(Communicator& world, bool is_first) : firsts_(world.split(is_first ? 1 : 0)) {
  // Room for a letter from each.
  if (is_first) mailbox_ = firsts_->mailbox(std::array{Endpoint{firsts_->rank()}}, firsts_->size());
}

void StopLetters::send() {
  if (!mailbox_ || is_sent_) return;
  is_sent_ = true;
  const Endpoint own{firsts_->rank()};
  for (std::int64_t rank = 0; rank < firsts_->size(); ++rank) {
    if (Endpoint{rank} == own) continue;
    try {
      mailbox_->send({.from = own, .to = Endpoint{rank}, .kind = stop, .body = nullptr, .due = mailbox_->now()});
    } catch (const NoSuchEndpoint&) {
      continue;  // the group has finished its cells
    }
  }
}

bool StopLetters::arrived() {
  if (mailbox_ && !has_arrived_) has_arrived_ = mailbox_->next(std::chrono::milliseconds(0)).has_value();
  return has_arrived_;
}

}  // namespace shoal
