#pragma once
// The mailbox of the virtual clock: one for all components.

#include <algorithm>
#include <functional>
#include <vector>

#include "sim/pipeline/letters.hpp"

namespace shoal::pipeline {

/// Letters have one order, so that a run is a function of its seed. A letter to another component is handed over at
/// once, before letters that were sent earlier, as if the sender had called a function: everything that follows from an
/// event is done before the next event. Letters of a component to itself are the events, and are handed over by time,
/// subject, user and number.
class VirtualMailbox final : public Mailbox {
 public:
  bool send(const Letter& letter) override {
    if (letter.from != letter.to) {
      sent_.push_back(letter);
      return true;
    }
    ensure(letter.due >= now_, "the pipeline's clock runs backwards");
    timers_.push_back({unpack<Timer>(letter), letter});
    std::ranges::push_heap(timers_, later);
    return true;
  }
  /// Does not wait, because nothing can arrive meanwhile.
  std::optional<Letter> next(std::chrono::milliseconds = {}) override {
    // The first of the letters sent since the last call comes next, and so do those that follow from it.
    while (!sent_.empty()) {
      at_once_.push_back(std::move(sent_.back()));
      sent_.pop_back();
    }
    if (!at_once_.empty()) {
      Letter letter = std::move(at_once_.back());
      at_once_.pop_back();
      return letter;
    }
    if (timers_.empty()) return {};
    std::ranges::pop_heap(timers_, later);
    Letter letter = std::move(timers_.back().letter);
    timers_.pop_back();
    now_ = letter.due;
    return letter;
  }
  Ticks now() const override { return now_; }

 private:
  struct Pending {
    Timer timer;
    Letter letter;
  };
  static bool later(const Pending& a, const Pending& b) {
    const auto order = [](const Pending& p) {
      return std::tuple(p.letter.due, p.letter.kind, p.timer.user, p.timer.number);
    };
    return order(a) > order(b);
  }

  std::vector<Letter> sent_, at_once_;
  std::vector<Pending> timers_;  // a heap, the earliest first
  Ticks now_{};
};

}  // namespace shoal::pipeline
