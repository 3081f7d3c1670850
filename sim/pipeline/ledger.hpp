#pragma once
// The ledger of turns: produced = consumed + dropped + resident, at any time.

#include <array>
#include <string_view>
#include <vector>

#include "sim/pipeline/turns.hpp"

namespace shoal::pipeline {

/// The reason for which a turn is not trained on.
enum class Reason : std::int8_t {
  expired,       // no state followed before its session expired
  no_signal,     // the objective does not take it
  malformed,     // its log-probabilities do not fit its tokens
  not_finite,    // its reward or a log-probability is not finite
  not_admitted,  // the trainer could not use it within the staleness bound
  overflow,      // a queue was full
  stale,         // one of its tokens is older than the staleness bound
  leftover,      // a batch was taken without it, and the settings drop such turns
};
inline constexpr std::array<std::string_view, 8> reasons{"expired",      "no_signal", "malformed", "not_finite",
                                                         "not_admitted", "overflow",  "stale",     "leftover"};

/// The stage of a turn. Components may only move it forward, in this order.
enum class TurnStage : std::int8_t { collected, judging, queued, consumed, dropped };

/// Owns all turns by number. Throws BrokenInvariant when a turn is moved from a stage that it is not in, consumed
/// twice, or dropped after it was consumed.
class Ledger {
 public:
  /// Adds a served turn and returns its number.
  std::int64_t produce(Turn turn);
  const Turn& at(std::int64_t number) const { return entry(number).turn; }
  Turn& at(std::int64_t number) { return turns_[index(number)].turn; }
  TurnStage stage(std::int64_t number) const { return entry(number).stage; }

  void move(std::int64_t number, TurnStage from, TurnStage to);
  void drop(std::int64_t number, Reason reason);
  /// Moves a turn out of the queue into an update; the ledger forgets its tokens.
  JudgedReply consume(std::int64_t number);

  std::int64_t produced() const { return std::ssize(turns_); }
  std::int64_t consumed() const { return consumed_; }
  std::int64_t dropped(Reason reason) const { return dropped_[static_cast<int>(reason)]; }
  std::int64_t dropped() const;
  /// Throws BrokenInvariant unless the turns that the components hold account for all others.
  void check(std::int64_t collected, std::int64_t judging, std::int64_t queued) const;

 private:
  struct Entry {
    Turn turn;
    TurnStage stage = TurnStage::collected;
  };
  std::int64_t index(std::int64_t number) const;
  const Entry& entry(std::int64_t number) const { return turns_[index(number)]; }

  std::vector<Entry> turns_;
  std::int64_t consumed_ = 0;
  std::array<std::int64_t, reasons.size()> dropped_{};
};

}  // namespace shoal::pipeline
