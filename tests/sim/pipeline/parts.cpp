// Do the components of the agents' pipeline keep their contracts, each on its own?

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <ATen/ops/full.h>

#include "sim/pipeline/components.hpp"
#include "sim/pipeline/staleness.hpp"
#include "sim/pipeline/virtual_mailbox.hpp"
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

// Letters that components wrote, by subject.
std::vector<Letter> of_subject(const std::vector<Letter>& letters, Subject subject) {
  std::vector<Letter> found;
  for (const Letter& letter : letters) {
    if (letter.kind == kind(subject)) found.push_back(letter);
  }
  return found;
}

// The letters of a component to itself, in the order in which the virtual clock hands them over.
std::vector<Timer> timers(std::span<const Letter> letters) {
  VirtualMailbox mailbox;
  for (const Letter& letter : letters) {
    if (letter.from == letter.to) mailbox.send(letter);
  }
  std::vector<Timer> all;
  while (const auto letter = mailbox.next()) all.push_back(unpack<Timer>(*letter));
  return all;
}

// The only one; it is for `subject`.
Timer timer(const Outbox& out, Subject subject) {
  const std::vector<Timer> all = timers(out.letters());
  EXPECT_EQ(all.size(), 1);
  EXPECT_EQ(of_subject(out.letters(), subject).size(), 1);
  return all.at(0);
}

TEST(VirtualMailbox, HasOneOrderOfEvents) {
  VirtualMailbox mailbox;
  Outbox out(endpoints::serving, Ticks{});
  out.later(Ticks{2}, Subject::generated, 0, 0);
  out.later(Ticks{1}, Subject::asked, 0, 0);
  out.later(Ticks{1}, Subject::trained, 0, 0);
  out.later(Ticks{1}, Subject::generated, 1, 0);
  out.later(Ticks{1}, Subject::generated, 0, 2);
  out.later(Ticks{1}, Subject::generated, 0, 1);
  for (const Letter& letter : out.letters()) mailbox.send(letter);
  std::vector<std::array<std::int64_t, 4>> order;
  while (const auto letter = mailbox.next()) {
    const Timer t = unpack<Timer>(*letter);
    EXPECT_EQ(mailbox.now(), letter->due);
    order.push_back({value(letter->due), static_cast<std::int64_t>(subject(*letter)), t.user, t.number});
  }
  const auto served = static_cast<std::int64_t>(Subject::generated),
             trained = static_cast<std::int64_t>(Subject::trained), asked = static_cast<std::int64_t>(Subject::asked);
  using A = std::array<std::int64_t, 4>;
  EXPECT_THAT(order, ElementsAre(A{1, served, 0, 1}, A{1, served, 0, 2}, A{1, served, 1, 0}, A{1, trained, 0, 0},
                                 A{1, asked, 0, 0}, A{2, served, 0, 0}));
  EXPECT_EQ(mailbox.next(), std::nullopt);
}

// An event leads to a and b, and a to c and d: all that follows from a is done before b, and both before another event.
TEST(VirtualMailbox, FollowsEachLetterToItsEnd) {
  VirtualMailbox mailbox;
  const auto send = [&](std::initializer_list<int> numbers) {
    for (const int number : numbers) mailbox.send({endpoints::users, endpoints::serving, LetterKind{number}, {}, {}});
  };
  Outbox out(endpoints::users, Ticks{});
  out.later(Ticks{}, Subject::asked, 0, 0);
  send({100, 101});
  mailbox.send(out.letters()[0]);
  std::vector<int> order;
  while (const auto letter = mailbox.next()) {
    order.push_back(value(letter->kind));
    if (order.back() == 100) send({102, 103});
  }
  EXPECT_THAT(order, ElementsAre(100, 102, 103, 101, value(kind(Subject::asked))));
}

TEST(BoundedQueue, DropsTheOldestWhenFull) {
  BoundedQueue<std::int64_t> queue(2);
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
  Ledger all{.produced = 3, .consumed = 1, .resident = 1};
  all.drop(Reason::expired);
  all.check();
  const auto differs = [&](auto&& change) {
    Ledger other = all;
    change(other);
    EXPECT_THROW(other.check(), BrokenInvariant);
  };
  differs([](Ledger& l) { ++l.consumed; });             // a turn is consumed twice
  differs([](Ledger& l) { l.drop(Reason::stale); });    // or dropped after it was consumed
  differs([](Ledger& l) { l.drop(Reason::expired); });  // or dropped twice
  differs([](Ledger& l) { --l.resident; });             // a component lost a turn
  differs([](Ledger& l) { ++l.resident; });             // or holds one twice
  Ledger sum = all;
  sum += all;
  EXPECT_EQ(sum.produced, 6);
  EXPECT_EQ(sum.all_dropped(), 2);
  sum.check();
}

TEST(Collection, JoinsOncePerTurnAndExpires) {
  const Scene scene(std::make_unique<Stamped>(3), "", "expiry_seconds = 0.0001", 8);
  Collection collection(scene.setup(), {});
  const auto serve = [&](int number, std::int64_t now) -> std::optional<Ticks> {
    Outbox out(endpoints::collection, Ticks{now});
    collection.add(turn(7, 1, number), out);
    if (out.letters().empty()) return {};
    return timer(out, Subject::expired).at;
  };
  // The number of the turn that goes to judging.
  const auto passed = [](const Outbox& out) -> std::optional<std::int64_t> {
    const auto orders = of_subject(out.letters(), Subject::to_judge);
    if (orders.empty()) return {};
    return unpack<ToJudge>(orders.at(0)).turn.number;
  };
  const auto follow = [&](int number, std::int64_t now) {
    Outbox out(endpoints::collection, Ticks{now});
    collection.join({.of = {7, 1, number}, .evidence = {}, .said = {}}, out);
    return passed(out);
  };
  const auto close = [&](int number) {
    Outbox out(endpoints::collection, Ticks{150});
    collection.close({7, 1, number}, out);
    return passed(out);
  };
  const auto expire = [&](std::int64_t now) -> std::optional<Ticks> {
    Outbox out(endpoints::collection, Ticks{now});
    collection.expire(7, 1, out);
    if (out.letters().empty()) return {};
    return timer(out, Subject::expired).at;
  };
  EXPECT_EQ(serve(0, 10), Ticks{110});
  EXPECT_EQ(serve(1, 20), std::nullopt);  // one watch per session
  EXPECT_EQ(follow(0, 30), 0);
  EXPECT_EQ(follow(0, 31), std::nullopt);
  EXPECT_EQ(collection.counters().duplicated, 1);
  EXPECT_EQ(follow(5, 32), std::nullopt);
  EXPECT_EQ(collection.counters().unknown, 1);
  EXPECT_EQ(expire(110), Ticks{130});  // the last turn or state was at 30
  EXPECT_EQ(expire(130), std::nullopt);
  EXPECT_EQ(collection.ledger().dropped[static_cast<int>(Reason::expired)], 1);
  EXPECT_EQ(follow(1, 140), std::nullopt);
  EXPECT_EQ(collection.counters().late, 1);
  EXPECT_EQ(serve(2, 150), Ticks{250});  // the session continues after all, and is watched again
  EXPECT_EQ(close(2), 2);
  EXPECT_EQ(close(2), std::nullopt);
  EXPECT_EQ(expire(250), std::nullopt);
  EXPECT_EQ(collection.waiting(), 0);
  EXPECT_THROW(serve(1, 260), BrokenInvariant);
}

// A turn of user 0 that the trainer must judge by the state that followed it.
ToJudge order(int number, const Evidence& evidence = {.reward = 1}, std::optional<talk::Rule> said = {}) {
  Turn served = turn(0, 1, number);
  served.number = number;
  served.sample.prompt = {talk::agent_token};
  return {served, FollowUp{.of = served.key, .evidence = evidence, .said = said}};
}

TEST(Judging, JudgesATurnOnceAndVoidsFailures) {
  for (const std::string fault : {"", "judge_failure = 1", "judge_timeout = 1"}) {
    const Scene scene(std::make_unique<Stamped>(3), "", "judge_spread = 0\njudge_seconds = 2\n" + fault, 1);
    Judging judging(scene.setup(), {.seed = 1});
    const ToJudge judged = order(0, {.reward = -1, .directive = true}, talk::Rule::plain);
    Outbox begun(endpoints::judging, Ticks{});
    judging.submit(judged, begun);
    judging.submit(judged, begun);
    EXPECT_EQ(judging.counters(Ticks{}).repeated, 1);
    EXPECT_EQ(judging.resident(), 1);
    const Timer event = timer(begun, Subject::judged);
    EXPECT_EQ(event.at, ticks(fault == "judge_timeout = 1" ? 1 : 2));
    Outbox done(endpoints::judging, event.at);
    judging.finish(event.number, done);
    ASSERT_EQ(done.letters().size(), 1);
    const JudgedReply sample = unpack<Turn>(done.letters()[0]).sample;
    EXPECT_EQ(sample.signals.reward, fault.empty() ? -1 : 0) << fault;
    EXPECT_EQ(sample.hinted.size(), fault.empty() ? 1 : 0) << fault;
    const JudgingCounters counters = judging.counters(event.at);
    EXPECT_EQ(counters.failed, fault == "judge_failure = 1");
    EXPECT_EQ(counters.timed_out, fault == "judge_timeout = 1");
    EXPECT_EQ(counters.busy, event.at);
  }
}

TEST(Judging, TakesAsLongAsTheJudgeSays) {
  struct Slow final : Judge {
    Judgement judge(const Evidence&, RandomStream&) const override { return {.reward = 1, .seconds = 7}; }
  };
  Scene scene(std::make_unique<Stamped>(3), "", "judge_seconds = 2", 1);
  scene.judge = std::make_unique<Slow>();
  Judging judging(scene.setup(), {.seed = 1});
  Outbox out(endpoints::judging, Ticks{});
  judging.submit(order(0), out);
  EXPECT_EQ(timer(out, Subject::judged).at, ticks(7));
}

TEST(Judging, HasSeveralWorkers) {
  const Scene scene(std::make_unique<Stamped>(3), "", "judge_spread = 0\njudge_seconds = 2\njudge_workers = 2", 1);
  Judging judging(scene.setup(), {.seed = 1});
  VirtualMailbox mailbox;
  const auto post = [&](const Outbox& out) {
    for (const Letter& letter : out.letters()) {
      if (letter.to == endpoints::judging) mailbox.send(letter);
    }
  };
  for (int i = 0; i < 3; ++i) {
    Outbox out(endpoints::judging, Ticks{});
    judging.submit(order(i), out);
    post(out);
  }
  for (const double end : {2, 2, 4}) {
    const std::optional<Letter> event = mailbox.next();
    ASSERT_TRUE(event);
    EXPECT_EQ(event->due, ticks(end));
    Outbox out(endpoints::judging, event->due);
    judging.finish(unpack<Timer>(*event).number, out);
    post(out);
  }
  EXPECT_EQ(mailbox.next(), std::nullopt);
  EXPECT_EQ(judging.counters(ticks(4)).busy, ticks(6));
}

TEST(Judging, PassesOnWhatNothingFollows) {
  const Scene scene(std::make_unique<Stamped>(3), "", "", 1);
  Judging judging(scene.setup(), {.seed = 1});
  Outbox out(endpoints::judging, Ticks{5});
  judging.submit({order(3).turn, {}}, out);
  ASSERT_EQ(out.letters().size(), 1);
  EXPECT_EQ(out.letters()[0].to, endpoints::training);
  EXPECT_EQ(unpack<Turn>(out.letters()[0]).number, 3);
  EXPECT_EQ(judging.resident(), 0);
}

// Serving on the virtual clock, with no one to answer.
struct Server {
  explicit Server(const Scene& scene, const at::Tensor& params = at::zeros({1}))
      : serving(with(scene, params), {.seed = 1, .step = whole_reply}) {}

  static Setup with(const Scene& scene, const at::Tensor& params) {
    Setup setup = scene.setup();
    setup.initial = params;
    return setup;
  }
  static Request request(int user) {
    return {.user = user, .session = 1, .type = TurnType::main, .turn = 0, .prompt = {talk::agent_token}};
  }
  std::optional<Answer> submit(const Request& request, Ticks now = {}) {
    return answer(change([&](Outbox& out) { serving.submit(request, out); }, now));
  }
  template <class F>
  std::vector<Letter> change(F&& call, Ticks now) {
    Outbox out(endpoints::serving, now);
    call(out);
    for (const Letter& letter : out.letters()) {
      if (letter.to == endpoints::serving) mailbox.send(letter);
    }
    return out.take();
  }
  static std::optional<Answer> answer(const std::vector<Letter>& letters) {
    const auto answers = of_subject(letters, Subject::answer);
    if (answers.empty()) return {};
    return unpack<Answered>(answers.at(0)).answer;
  }
  // The turn that is served at the next event, if one is.
  std::optional<Turn> finish() {
    const std::optional<Letter> event = mailbox.next();
    EXPECT_TRUE(event);
    const auto turns = of_subject(change([&](Outbox& out) { serving.proceed(unpack<Timer>(*event), out); }, event->due),
                                  Subject::turn);
    if (turns.empty()) return {};
    return unpack<Turn>(turns.at(0));
  }
  ServingCounters counters() const { return serving.counters(mailbox.now()); }

  Serving serving;
  VirtualMailbox mailbox;
};

TEST(Serving, HasSeveralSlots) {
  const Scene scene(std::make_unique<Stamped>(3), "",
                    "slots = 2\nlatency = 1\ntoken_seconds = 1\nprompt_token_seconds = 0", 3);
  Server server(scene);
  for (int user = 0; user < 3; ++user) server.submit(Server::request(user));
  Ticks latency{};
  for (const double end : {4, 4, 8}) {
    ASSERT_TRUE(server.finish());
    EXPECT_EQ(server.mailbox.now(), ticks(end));
    EXPECT_EQ(server.counters().latency - latency, ticks(end));
    latency = server.counters().latency;
  }
  EXPECT_EQ(server.mailbox.next(), std::nullopt);
}

// A generation of 10 tokens of 1 s each, interrupted after 4 of them: those stay as they were sampled, and the others
// come from the new weights once the prefix is recomputed.
TEST(Serving, ContinuesWithNewWeights) {
  const Scene scene(std::make_unique<Stamped>(10), "",
                    "hand_over = 'interrupt'\nlatency = 0\ntoken_seconds = 1\nprompt_token_seconds = 0.5\n", 1);
  const at::Tensor first = at::full({1}, -1.0), second = at::full({1}, -2.0);
  Server server(scene, first);
  server.serving.take({1, first});
  Request request = Server::request(0);
  request.prompt.push_back(talk::agent_token);
  EXPECT_EQ(server.submit(request), Answer::accepted);
  server.change([&](Outbox& out) { server.serving.pause(Pause::interrupt, out); }, ticks(5.5));
  server.serving.take({2, second});
  server.change([&](Outbox& out) { server.serving.resume(out); }, ticks(8));
  EXPECT_EQ(server.finish(), std::nullopt);
  EXPECT_EQ(server.mailbox.now(), ticks(11));  // the end as it was planned: 1 s to read the prompt
  const std::optional<Turn> served = server.finish();
  EXPECT_EQ(server.mailbox.now(), ticks(8 + 3 + 10));  // 6 tokens of prefix at 0.5 s, and 10 tokens of the new weights
  ASSERT_TRUE(served);
  const Reply& reply = served->sample.reply;
  ASSERT_EQ(reply.tokens.size(), 14);
  for (std::size_t i = 0; i < 14; ++i) {
    const std::int64_t version = i < 4 ? 1 : 2;
    EXPECT_EQ(served->versions[i], version);
    EXPECT_EQ(reply.log_probs[i], -version);
    if (i < 13) {
      EXPECT_EQ(reply.tokens[i], Stamped::token_of(version));
    }
  }
  EXPECT_EQ(server.counters().stalled, ticks(2.5));
  EXPECT_EQ(server.counters().busy, ticks(21));
}

TEST(Serving, FinishesWithOldWeightsAfterASwap) {
  const Scene scene(std::make_unique<Stamped>(3), "", "slots = 1", 2);
  Server server(scene);
  server.submit(Server::request(0));
  server.submit(Server::request(1));
  server.serving.take({1, at::full({1}, -1.0)});
  for (const std::int64_t version : {0, 1}) {
    const std::optional<Turn> served = server.finish();
    ASSERT_TRUE(served);
    EXPECT_THAT(served->versions, ElementsAre(version, version, version));
    EXPECT_EQ(served->sample.reply.tokens[0], Stamped::token_of(version));
  }
  EXPECT_EQ(server.counters().longest_queue, 1);
}

TEST(Serving, RefusesRequestsWithoutSessionOrType) {
  const Scene scene(std::make_unique<Stamped>(3), "", "", 1);
  Server server(scene);
  EXPECT_EQ(server.submit({.session = 1, .prompt = {}}), Answer::malformed);
  EXPECT_EQ(server.submit({.type = TurnType::main, .prompt = {}}), Answer::malformed);
  EXPECT_EQ(server.counters().malformed, 2);
  EXPECT_EQ(server.counters().requests, 0);
  EXPECT_EQ(server.mailbox.next(), std::nullopt);
}

TEST(Serving, TellsTheTrainerOnceItIsDrained) {
  const Scene scene(std::make_unique<Stamped>(3), "", "slots = 1", 2);
  Server server(scene);
  const auto drains = [&] {
    return of_subject(
               server.change([&](Outbox& out) { server.serving.pause(Pause::drain, out); }, server.mailbox.now()),
               Subject::drained)
        .size();
  };
  EXPECT_EQ(drains(), 1);  // nothing runs
  server.serving.resume(*std::make_unique<Outbox>(endpoints::serving, Ticks{}));
  server.submit(Server::request(0));
  server.submit(Server::request(1));
  EXPECT_EQ(drains(), 0);
  const std::optional<Letter> event = server.mailbox.next();
  const auto letters =
      server.change([&](Outbox& out) { server.serving.proceed(unpack<Timer>(*event), out); }, event->due);
  EXPECT_EQ(letters.back().kind, kind(Subject::drained));  // behind the reply; the other request waits
  EXPECT_EQ(server.mailbox.next(), std::nullopt);
}

}  // namespace
