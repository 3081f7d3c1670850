// Does the rule of the hand-over say who pauses, trains and continues, in every mode?

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "sim/pipeline/hand_over_rule.hpp"

namespace {

using namespace shoal::pipeline;
using testing::ElementsAre;
using testing::IsEmpty;
using enum HandOverRule::Act;

struct Trainer {
  Trainer(HandOver mode, bool one_behind) : rule(mode, one_behind) {}

  // All acts until the rule has nothing more to say; training empties the queue.
  std::vector<HandOverRule::Act> acts() {
    std::vector<HandOverRule::Act> all;
    while (const auto act = rule.next([&] { return full; })) {
      all.push_back(*act);
      if (*act == train) full = false;
    }
    return all;
  }
  std::vector<HandOverRule::Act> fill() {
    full = true;
    return acts();
  }
  std::vector<HandOverRule::Act> trained() {
    rule.trained();
    return acts();
  }
  std::vector<HandOverRule::Act> handed_over() {
    rule.handed_over();
    return acts();
  }

  HandOverRule rule;
  bool full = false;
};

TEST(HandOverRule, SwapNeverPauses) {
  Trainer swap(HandOver::swap, false);
  EXPECT_THAT(swap.acts(), IsEmpty());
  EXPECT_THAT(swap.fill(), ElementsAre(train));
  EXPECT_THAT(swap.fill(), IsEmpty());  // the next batch waits for the trainer
  EXPECT_THAT(swap.trained(), ElementsAre(hand_over));
  EXPECT_THAT(swap.handed_over(), ElementsAre(train));
}

TEST(HandOverRule, OneBehindHandsOverWithTheNextBatch) {
  Trainer swap(HandOver::swap, true);
  EXPECT_THAT(swap.fill(), ElementsAre(train));
  EXPECT_THAT(swap.trained(), IsEmpty());
  EXPECT_THAT(swap.fill(), ElementsAre(hand_over));
  EXPECT_THAT(swap.handed_over(), ElementsAre(train));
  EXPECT_THAT(swap.trained(), IsEmpty());
}

TEST(HandOverRule, BarrierDrainsBeforeItTrains) {
  Trainer barrier(HandOver::barrier, false);
  barrier.rule.drained();  // serving was not told to drain
  EXPECT_THAT(barrier.fill(), ElementsAre(pause_judging, drain_serving));
  EXPECT_THAT(barrier.acts(), IsEmpty());
  barrier.rule.drained();
  EXPECT_THAT(barrier.acts(), ElementsAre(train));
  EXPECT_THAT(barrier.trained(), ElementsAre(hand_over));
  barrier.full = true;  // after the judges continue, they are paused again
  EXPECT_THAT(barrier.handed_over(), ElementsAre(resume_judging, resume_serving, pause_judging, drain_serving));
}

TEST(HandOverRule, RefusesWhileWeightsTravelOrABatchWaits) {
  Trainer pause(HandOver::pause503, true);
  EXPECT_THAT(pause.fill(), ElementsAre(train));
  EXPECT_THAT(pause.fill(), ElementsAre(refuse_requests));
  EXPECT_THAT(pause.acts(), IsEmpty());
  EXPECT_THAT(pause.trained(), ElementsAre(hand_over));  // still refused
  EXPECT_THAT(pause.handed_over(), ElementsAre(train, resume_serving));
}

TEST(HandOverRule, InterruptsWhileWeightsTravel) {
  Trainer interrupt(HandOver::interrupt, false);
  EXPECT_THAT(interrupt.fill(), ElementsAre(train));
  EXPECT_THAT(interrupt.trained(), ElementsAre(interrupt_serving, hand_over));
  EXPECT_THAT(interrupt.handed_over(), ElementsAre(resume_serving));
}

TEST(HandOverRule, NoticesWhatCannotHappen) {
  HandOverRule rule(HandOver::swap, false);
  EXPECT_THROW(rule.trained(), shoal::BrokenInvariant);
  EXPECT_THROW(rule.handed_over(), shoal::BrokenInvariant);
}

}  // namespace
