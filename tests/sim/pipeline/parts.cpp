// Do the components of the agents' pipeline keep their contracts, each on its own?

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <ATen/ops/full.h>

#include "sim/pipeline/staleness.hpp"
#include "tests/sim/pipeline/fakes.hpp"

namespace {

using namespace shoal;
using namespace shoal::pipeline;
using testing::ElementsAre;

TEST(Admission, LeavesRoomForWhatCanBeUsed) {
  // AReaL's rule: min(32 - 5, (1 + 3 + 1) 16 - (60 + 5)).
  Admission rule{.eta = 1, .version = 3, .batch = 16, .accepted = 60, .running = 5, .max_concurrent = 32};
  EXPECT_EQ(rule.capacity(), 15);
  rule.accepted = 20;
  EXPECT_EQ(rule.capacity(), 27);
  rule.accepted = 80;
  EXPECT_EQ(rule.capacity(), -5);
  rule.eta = unbounded;
  EXPECT_EQ(rule.capacity(), 27);
}

TEST(LearningSettings, RefusesAnUnknownTeacher) {
  for (const std::string teacher : {"lvie", "refresh:0", "refresh:4x"}) {
    const Settings settings = Settings::parse(fmt::format("teacher = '{}'\n", teacher), "test.toml");
    EXPECT_THAT([&] { LearningSettings learning(settings); },
                testing::ThrowsMessage<UserError>(testing::HasSubstr("unknown teacher \"" + teacher + "\"")));
  }
  EXPECT_EQ(LearningSettings(Settings::parse("teacher = 'refresh:4'\n", "test.toml")).refresh, 4);
}

TEST(Staleness, IsThatOfTheOldestToken) {
  const std::array<std::int64_t, 3> mixed{4, 3, 5};
  EXPECT_EQ(staleness(5, mixed), 2);
  EXPECT_EQ(staleness(5, {}), 0);
}

TEST(PipelineEvents, HaveOneOrder) {
  EventHeap queue;
  for (const PipelineEvent& e : {PipelineEvent{Ticks{2}, PipelineEvent::Kind::served, 0, 0},
                                 PipelineEvent{Ticks{1}, PipelineEvent::Kind::asked, 0, 0},
                                 PipelineEvent{Ticks{1}, PipelineEvent::Kind::trained, 0, 0},
                                 PipelineEvent{Ticks{1}, PipelineEvent::Kind::served, 1, 0},
                                 PipelineEvent{Ticks{1}, PipelineEvent::Kind::served, 0, 2},
                                 PipelineEvent{Ticks{1}, PipelineEvent::Kind::served, 0, 1}}) {
    queue.push(e);
  }
  std::vector<std::array<std::int64_t, 4>> order;
  while (!queue.empty()) {
    const PipelineEvent e = queue.pop();
    order.push_back({value(e.time), static_cast<std::int64_t>(e.kind), e.user, e.number});
  }
  const auto trained = static_cast<std::int64_t>(PipelineEvent::Kind::trained),
             asked = static_cast<std::int64_t>(PipelineEvent::Kind::asked);
  using A = std::array<std::int64_t, 4>;
  EXPECT_THAT(order, ElementsAre(A{1, 0, 0, 1}, A{1, 0, 0, 2}, A{1, 0, 1, 0}, A{1, trained, 0, 0}, A{1, asked, 0, 0},
                                 A{2, 0, 0, 0}));
  EXPECT_THROW(queue.pop(), BrokenInvariant);
}

TEST(BoundedQueue, DropsTheOldestWhenFull) {
  BoundedQueue queue(2);
  EXPECT_EQ(queue.push(1), std::nullopt);
  EXPECT_EQ(queue.push(2), std::nullopt);
  EXPECT_EQ(queue.push(3), 1);
  queue.remove_if([](std::int64_t n) { return n == 2; });
  queue.check();
  EXPECT_EQ(queue.pop(), 3);
  EXPECT_EQ(queue.longest(), 2);
  EXPECT_THROW(queue.pop(), BrokenInvariant);
}

Turn turn(std::int64_t user, std::int64_t session, int number) {
  return {.key = {user, session, number}, .type = TurnType::main, .sample = {}, .versions = {}};
}

TEST(Ledger, ConsumesOnceAndNoticesLostTurns) {
  Ledger ledger;
  for (int i = 0; i < 3; ++i) ledger.produce(turn(0, 1, i));
  EXPECT_THROW(ledger.consume(0), BrokenInvariant);  // it is collected, not queued
  ledger.move(0, TurnStage::collected, TurnStage::judging);
  EXPECT_THROW(ledger.move(0, TurnStage::collected, TurnStage::judging), BrokenInvariant);
  ledger.move(0, TurnStage::judging, TurnStage::queued);
  ledger.consume(0);
  EXPECT_THROW(ledger.consume(0), BrokenInvariant);
  EXPECT_THROW(ledger.drop(0, Reason::stale), BrokenInvariant);
  ledger.drop(1, Reason::expired);
  EXPECT_THROW(ledger.drop(1, Reason::expired), BrokenInvariant);
  EXPECT_THROW(ledger.at(3), BrokenInvariant);
  ledger.check(1, 0, 0);
  EXPECT_THROW(ledger.check(0, 0, 0), BrokenInvariant);  // a component lost turn 2
  EXPECT_THROW(ledger.check(1, 0, 1), BrokenInvariant);  // or holds a turn twice
}

TEST(Collection, JoinsOncePerTurnAndExpires) {
  Ledger ledger;
  Collection collection(ledger, Ticks{100});
  const auto serve = [&](int number, std::int64_t now) {
    return collection.add(ledger.produce(turn(7, 1, number)), Ticks{now});
  };
  const auto follow = [&](int number, std::int64_t now) { return collection.join({.of = {7, 1, number}}, Ticks{now}); };
  EXPECT_EQ(serve(0, 10), Ticks{110});
  EXPECT_EQ(serve(1, 20), std::nullopt);  // one watch per session
  EXPECT_THROW(serve(1, 21), BrokenInvariant);
  EXPECT_EQ(follow(0, 30), 0);
  EXPECT_EQ(follow(0, 31), std::nullopt);
  EXPECT_EQ(collection.counters().duplicated, 1);
  EXPECT_EQ(follow(5, 32), std::nullopt);
  EXPECT_EQ(collection.counters().unknown, 1);
  EXPECT_EQ(collection.expire(7, 1, Ticks{110}), Ticks{130});  // the last turn or state was at 30
  EXPECT_EQ(collection.expire(7, 1, Ticks{130}), std::nullopt);
  EXPECT_EQ(ledger.dropped(Reason::expired), 1);
  EXPECT_EQ(follow(1, 140), std::nullopt);
  EXPECT_EQ(collection.counters().late, 1);
  EXPECT_EQ(serve(2, 150), Ticks{250});  // the session continues after all, and is watched again
  EXPECT_EQ(collection.close({7, 1, 2}), 3);
  EXPECT_EQ(collection.close({7, 1, 2}), std::nullopt);
  EXPECT_EQ(collection.expire(7, 1, Ticks{250}), std::nullopt);
  EXPECT_EQ(collection.waiting(), 0);
}

TEST(Judging, JudgesATurnOnceAndVoidsFailures) {
  const Truth judge;
  for (const std::string fault : {"", "judge_failure = 1", "judge_timeout = 1"}) {
    Ledger ledger;
    const JudgingSettings settings(Settings::parse("judge_spread = 0\njudge_seconds = 2\n" + fault, "test.toml"));
    Judging judging(ledger, judge, settings, 10, 1, 0);
    EventHeap events;
    ledger.produce(turn(0, 1, 0));
    ledger.at(0).sample.prompt = {talk::agent_token};
    const FollowUp state{.of = {0, 1, 0}, .evidence = {.reward = -1, .directive = true}, .said = talk::Rule::plain};
    judging.submit(0, state, Ticks{}, events);
    judging.submit(0, state, Ticks{}, events);
    EXPECT_EQ(judging.counters(Ticks{}).repeated, 1);
    EXPECT_EQ(judging.resident(), 1);
    const PipelineEvent event = events.pop();
    EXPECT_TRUE(events.empty());
    EXPECT_EQ(event.time, ticks(fault == "judge_timeout = 1" ? 1 : 2));
    judging.finish(event.number, event.time, events);
    const JudgedReply& sample = ledger.at(0).sample;
    EXPECT_EQ(sample.signals.reward, fault.empty() ? -1 : 0) << fault;
    EXPECT_EQ(sample.hinted.size(), fault.empty() ? 1 : 0) << fault;
    const JudgingCounters counters = judging.counters(event.time);
    EXPECT_EQ(counters.failed, fault == "judge_failure = 1");
    EXPECT_EQ(counters.timed_out, fault == "judge_timeout = 1");
    EXPECT_EQ(counters.busy, event.time);
  }
}

TEST(Judging, TakesAsLongAsTheJudgeSays) {
  struct Slow final : Judge {
    Judgement judge(const Evidence&, RandomStream&) const override { return {.reward = 1, .seconds = 7}; }
  };
  const Slow judge;
  Ledger ledger;
  const JudgingSettings settings(Settings::parse("judge_seconds = 2", "test.toml"));
  Judging judging(ledger, judge, settings, 10, 1, 0);
  EventHeap events;
  ledger.produce(turn(0, 1, 0));
  judging.submit(0, {.of = {0, 1, 0}, .evidence = {}, .said = {}}, Ticks{}, events);
  EXPECT_EQ(events.pop().time, ticks(7));
}

TEST(Judging, HasSeveralWorkers) {
  const Truth judge;
  Ledger ledger;
  const JudgingSettings settings(
      Settings::parse("judge_spread = 0\njudge_seconds = 2\njudge_workers = 2", "test.toml"));
  Judging judging(ledger, judge, settings, 10, 1, 0);
  EventHeap events;
  for (int i = 0; i < 3; ++i) {
    ledger.produce(turn(0, 1, i));
    judging.submit(i, {.of = {0, 1, i}, .evidence = {.reward = 1}, .said = {}}, Ticks{}, events);
  }
  for (const double end : {2, 2, 4}) {
    const PipelineEvent event = events.pop();
    EXPECT_EQ(event.time, ticks(end));
    judging.finish(event.number, event.time, events);
  }
  EXPECT_TRUE(events.empty());
  EXPECT_EQ(judging.counters(ticks(4)).busy, ticks(6));
}

TEST(Serving, HasSeveralSlots) {
  const Stamped policy(3);
  const ServingSettings settings(
      Settings::parse("slots = 2\nlatency = 1\ntoken_seconds = 1\nprompt_token_seconds = 0", "test.toml"));
  Serving serving(policy, settings, at::zeros({1}), 1, 0);
  EventHeap events;
  for (int user = 0; user < 3; ++user) {
    serving.submit({.user = user, .session = 1, .type = TurnType::main, .turn = 0, .prompt = {talk::agent_token}}, {},
                   events);
  }
  for (const double end : {4, 4, 8}) {
    const PipelineEvent event = events.pop();
    EXPECT_EQ(event.time, ticks(end));
    EXPECT_EQ(serving.finish(event.number, event.time, events)->latency, ticks(end));
  }
  EXPECT_TRUE(events.empty());
}

// A generation of 10 tokens of 1 s each, interrupted after 4 of them: those stay as they were sampled, and the others
// come from the new weights once the prefix is recomputed.
TEST(Serving, ContinuesWithNewWeights) {
  const Stamped policy(10);
  const ServingSettings settings(Settings::parse(
      "hand_over = 'interrupt'\nlatency = 0\ntoken_seconds = 1\nprompt_token_seconds = 0.5\n", "test.toml"));
  const at::Tensor first = at::full({1}, -1.0), second = at::full({1}, -2.0);
  Serving serving(policy, settings, first, 1, 0);
  serving.take(first, 1);
  EventHeap events;
  Request request{
      .user = 0, .session = 1, .type = TurnType::main, .turn = 0, .prompt = {talk::agent_token, talk::agent_token}};
  EXPECT_EQ(serving.submit(request, Ticks{}, events), Answer::accepted);
  const PipelineEvent planned = events.pop();
  EXPECT_EQ(planned.time, ticks(11));  // 1 s to read the prompt
  serving.pause(Serving::While::waits, ticks(5.5));
  serving.interrupt(ticks(5.5));
  serving.take(second, 2);
  serving.resume(ticks(8), events);
  EXPECT_EQ(serving.finish(planned.number, planned.time, events), std::nullopt);
  const PipelineEvent event = events.pop();
  EXPECT_EQ(event.time, ticks(8 + 3 + 10));  // 6 tokens of prefix at 0.5 s, and 10 tokens of the new weights
  const std::optional<Served> served = serving.finish(event.number, event.time, events);
  ASSERT_TRUE(served);
  ASSERT_EQ(served->reply.tokens.size(), 14);
  for (std::size_t i = 0; i < 14; ++i) {
    const std::int64_t version = i < 4 ? 1 : 2;
    EXPECT_EQ(served->versions[i], version);
    EXPECT_EQ(served->reply.log_probs[i], -version);
    if (i < 13) {
      EXPECT_EQ(served->reply.tokens[i], Stamped::token_of(version));
    }
  }
  EXPECT_EQ(serving.counters(event.time).stalled, ticks(2.5));
  EXPECT_EQ(serving.counters(event.time).busy, ticks(21));
}

TEST(Serving, FinishesWithOldWeightsAfterASwap) {
  const Stamped policy(3);
  const ServingSettings settings(Settings::parse("slots = 1", "test.toml"));
  Serving serving(policy, settings, at::zeros({1}), 1, 0);
  EventHeap events;
  Request request{.user = 0, .session = 1, .type = TurnType::main, .turn = 0, .prompt = {talk::agent_token}};
  serving.submit(request, Ticks{}, events);
  request.user = 1;
  serving.submit(request, Ticks{}, events);
  serving.take(at::full({1}, -1.0), 1);
  for (const std::int64_t version : {0, 1}) {
    const PipelineEvent event = events.pop();
    const std::optional<Served> served = serving.finish(event.number, event.time, events);
    ASSERT_TRUE(served);
    EXPECT_THAT(served->versions, ElementsAre(version, version, version));
    EXPECT_EQ(served->reply.tokens[0], Stamped::token_of(version));
  }
  EXPECT_EQ(serving.counters(Ticks{}).longest_queue, 1);
}

TEST(Serving, RefusesRequestsWithoutSessionOrType) {
  const Stamped policy(3);
  const ServingSettings settings(Settings::parse("", "test.toml"));
  Serving serving(policy, settings, at::zeros({1}), 1, 0);
  EventHeap events;
  EXPECT_EQ(serving.submit({.session = 1, .prompt = {}}, {}, events), Answer::malformed);
  EXPECT_EQ(serving.submit({.type = TurnType::main, .prompt = {}}, {}, events), Answer::malformed);
  EXPECT_EQ(serving.counters(Ticks{}).malformed, 2);
  EXPECT_EQ(serving.counters(Ticks{}).requests, 0);
  EXPECT_TRUE(events.empty());
}

}  // namespace
