#pragma once
// Where every turn is: produced = consumed + dropped + resident, at any time.

#include <array>
#include <string_view>
#include <vector>

#include "sim/agents/pipeline/turns.hpp"

namespace shoal::pipeline {

/// Why a turn is not trained.
enum class Reason : std::int8_t {
  expired,       ///< nothing followed within the time that sessions have
  no_signal,     ///< the objective does not take it
  malformed,     ///< log-probabilities do not fit the tokens
  not_finite,    ///< a reward or log-probability is not a number
  not_admitted,  ///< beyond what the trainer could use within the staleness bound
  overflow,      ///< a queue was full
  stale,         ///< a token is older than the staleness bound
  leftover,      ///< beyond the batch, under the rule that drops these
};
inline constexpr std::array<std::string_view, 8> reasons{"expired",      "no_signal", "malformed", "not_finite",
                                                         "not_admitted", "overflow",  "stale",     "leftover"};

/// Where a turn waits, in this order; components may only pass it on.
enum class TurnStage : std::int8_t { collected, judging, queued, consumed, dropped };

/// Owns all turns by number. A turn that is passed on from where it is not, consumed twice or dropped after it was
/// consumed is a broken invariant.
class Ledger {
 public:
  /// A turn was served. Returns its number.
  std::int64_t produce(Turn turn);
  const Turn& at(std::int64_t number) const { return entry(number).turn; }
  Turn& at(std::int64_t number) { return turns_[index(number)].turn; }
  TurnStage stage(std::int64_t number) const { return entry(number).stage; }

  void move(std::int64_t number, TurnStage from, TurnStage to);
  void drop(std::int64_t number, Reason reason);
  /// Out of the queue into an update; the ledger forgets the tokens.
  JudgedReply consume(std::int64_t number);

  std::int64_t produced() const { return std::ssize(turns_); }
  std::int64_t consumed() const { return consumed_; }
  std::int64_t dropped(Reason reason) const { return dropped_[static_cast<std::size_t>(reason)]; }
  std::int64_t dropped() const;
  /// Against what the components themselves say they hold.
  void check(std::int64_t collected, std::int64_t judging, std::int64_t queued) const;

 private:
  struct Entry {
    Turn turn;
    TurnStage stage = TurnStage::collected;
  };
  std::size_t index(std::int64_t number) const;
  const Entry& entry(std::int64_t number) const { return turns_[index(number)]; }

  std::vector<Entry> turns_;
  std::int64_t consumed_ = 0;
  std::array<std::int64_t, reasons.size()> dropped_{};
};

}  // namespace shoal::pipeline
