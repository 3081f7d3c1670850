#include "sim/pipeline/ledger.hpp"

#include <numeric>

namespace shoal::pipeline {

std::int64_t Ledger::index(std::int64_t number) const {
  ensure(number >= 0 && number < std::ssize(turns_), "there is no turn {} (of {})", number, turns_.size());
  return number;
}

std::int64_t Ledger::produce(Turn turn) {
  turns_.push_back({.turn = std::move(turn)});
  return std::ssize(turns_) - 1;
}

void Ledger::move(std::int64_t number, TurnStage from, TurnStage to) {
  Entry& entry = turns_[index(number)];
  ensure(entry.stage == from && to > from, "turn {} of user {} is moved from stage {} to {} but is in {}", number,
         entry.turn.key.user, static_cast<int>(from), static_cast<int>(to), static_cast<int>(entry.stage));
  entry.stage = to;
}

void Ledger::drop(std::int64_t number, Reason reason) {
  Entry& entry = turns_[index(number)];
  ensure(entry.stage < TurnStage::consumed, "turn {} is dropped after it was consumed or dropped", number);
  entry.stage = TurnStage::dropped;
  entry.turn.sample = {};
  ++dropped_[static_cast<int>(reason)];
}

JudgedReply Ledger::consume(std::int64_t number) {
  move(number, TurnStage::queued, TurnStage::consumed);
  ++consumed_;
  return std::move(turns_[index(number)].turn.sample);
}

std::int64_t Ledger::dropped() const { return std::accumulate(dropped_.begin(), dropped_.end(), std::int64_t{0}); }

void Ledger::check(std::int64_t collected, std::int64_t judging, std::int64_t queued) const {
  const std::int64_t resident = collected + judging + queued;
  ensure(produced() == consumed_ + dropped() + resident,
         "turns are not conserved ({} produced, {} consumed, {} dropped, {} + {} + {} resident)", produced(), consumed_,
         dropped(), collected, judging, queued);
}

}  // namespace shoal::pipeline
