#include "sim/pipeline/hand_over_rule.hpp"

namespace shoal::pipeline {

void HandOverRule::trained() {
  ensure(phase_ == Phase::training, "an update ends that was not begun");
  phase_ = Phase::idle;
  fresh_ = true;
  if (!one_behind_) hand_over();
}

void HandOverRule::handed_over() {
  ensure(phase_ == Phase::handing_over, "weights arrive that were not sent");
  phase_ = Phase::idle;
  fresh_ = false;
  if (mode_ == HandOver::barrier) due_.push_back(Act::resume_judging);
  if (mode_ == HandOver::barrier || mode_ == HandOver::interrupt) due_.push_back(Act::resume_serving);
}

void HandOverRule::use_full_batch() {
  if (mode_ == HandOver::barrier) {
    phase_ = Phase::draining;
    drained_ = false;
    due_.push_back(Act::pause_judging);
    due_.push_back(Act::drain_serving);
  } else if (fresh_) {
    hand_over();
  } else {
    train();
  }
}

void HandOverRule::train() {
  phase_ = Phase::training;
  due_.push_back(Act::train);
}

void HandOverRule::hand_over() {
  phase_ = Phase::handing_over;
  if (mode_ == HandOver::interrupt) due_.push_back(Act::interrupt_serving);
  due_.push_back(Act::hand_over);
}

}  // namespace shoal::pipeline
