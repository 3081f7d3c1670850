#pragma once
// The protocol of the hand-over: when the trainer trains, when weights travel, and who pauses meanwhile.

#include <concepts>
#include <cstdint>
#include <deque>
#include <optional>

#include "sim/error.hpp"
#include "sim/pipeline/settings.hpp"

namespace shoal::pipeline {

/// Told what happened, it says what to do next. The trainer obeys it, on the virtual clock and live, and orders the
/// pauses of serving and judging by letters. By mode:
///
///   barrier    full batch -> pause judging, drain serving -> drained -> train -> hand over -> resume both
///   pause503   refuse requests while weights travel, and while a full batch waits for the trainer
///   interrupt  hand over -> interrupt serving -> weights arrive -> resume
///   swap       no pauses
///
/// Weights are handed over at once, or, one behind, when the next batch is full.
class HandOverRule {
 public:
  enum class Act : std::int8_t {
    pause_judging,
    drain_serving,
    interrupt_serving,
    refuse_requests,
    resume_judging,
    resume_serving,
    train,
    hand_over,
  };

  HandOverRule(HandOver mode, bool one_behind) : mode_(mode), one_behind_(one_behind) {}

  /// No reply is running since serving was told to drain.
  void drained() { drained_ = phase_ == Phase::draining; }
  /// The update that `train` began is finished.
  void trained();
  /// The weights that `hand_over` sent off have reached serving.
  void handed_over();

  /// Says what to do next; nothing until something else happens. Call it until then. `full()` says whether a batch is
  /// full; it is asked only where the answer matters, since the trainer drops old turns when it looks.
  template <std::predicate F>
  std::optional<Act> next(F&& full);

  /// An update is under way.
  bool trains() const { return phase_ == Phase::training; }

 private:
  // While draining, running replies are waited for.
  enum class Phase : std::int8_t { idle, draining, training, handing_over };

  void use_full_batch();
  void train();
  void hand_over();

  HandOver mode_;
  bool one_behind_;
  Phase phase_ = Phase::idle;
  bool fresh_ = false;     // the last weights have not been handed over
  bool drained_ = false;   // serving has no running reply
  bool refusing_ = false;  // serving refuses requests
  std::deque<Act> due_;
};

template <std::predicate F>
std::optional<HandOverRule::Act> HandOverRule::next(F&& full) {
  if (due_.empty() && phase_ == Phase::idle && full()) use_full_batch();
  if (due_.empty() && phase_ == Phase::draining && drained_) train();
  if (due_.empty() && mode_ == HandOver::pause503) {
    const bool refuse = phase_ == Phase::handing_over || (phase_ != Phase::idle && full());
    if (refuse != refusing_) due_.push_back(refuse ? Act::refuse_requests : Act::resume_serving);
    refusing_ = refuse;
  }
  if (due_.empty()) return {};
  const Act act = due_.front();
  due_.pop_front();
  return act;
}

}  // namespace shoal::pipeline
