// Does serving answer other letters between the tokens of a reply, and are tokens, times and versions those of replies
// that are sampled whole?

#include <ATen/TensorOperators.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/full.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "sim/agents/language/transformer_policy.hpp"
#include "sim/comm/letter_queue.hpp"
#include "sim/pipeline/live/attend.hpp"
#include "sim/pipeline/virtual_mailbox.hpp"
#include "tests/sim/pipeline/fakes.hpp"

namespace {

using namespace shoal;
using namespace shoal::pipeline;
using testing::Each;
using testing::ElementsAre;
using testing::IsEmpty;

at::Tensor stamp(std::int64_t version) { return at::full({1}, -static_cast<double>(version)); }

Request request(std::int64_t user) {
  return {.user = user, .session = 1, .type = TurnType::main, .turn = 0, .prompt = {talk::agent_token}};
}

template <class... Body>
Letter to_serving(Endpoint from, Subject subject, double due, const Body&... body) {
  Letter letter{from, endpoints::serving, kind(subject), nullptr, ticks(due)};
  ((letter.body = pack(body)), ...);
  return letter;
}

// The letters that serving gets are written in advance, and each takes serving `handling` seconds by the clock. Those
// that it writes to others are kept.
class Script final : public Mailbox {
 public:
  explicit Script(const Scene& scene, double handling = 0)
      : policy_(dynamic_cast<const Stamped&>(*scene.policy)), handling_(ticks(handling)) {}

  bool send(const Letter& letter) override {
    if (letter.to != endpoints::serving) {
      sent.push_back(subject(letter));
      if (sent.back() == Subject::answer) sampled.push_back(std::ssize(policy_.stepped));
      if (sent.back() == Subject::turn) turns.push_back(unpack<Turn>(letter));
      return true;
    }
    Letter taken = letter;
    taken.due = std::max(letter.due, now_);
    queue_.add(std::move(taken), LetterQueue::own);
    return true;
  }
  std::optional<Letter> next(std::chrono::milliseconds) override {
    now_ = std::max(now_ + handling_, queue_.first_due(ticks(1e6)));
    EXPECT_TRUE(queue_.ready(now_)) << "serving waits for a letter that no one writes";
    return queue_.take().letter;
  }
  Ticks now() const override { return now_; }

  std::vector<Subject> sent;
  std::vector<std::int64_t> sampled;  // tokens sampled in steps before each answer to a request
  std::vector<Turn> turns;

 private:
  const Stamped& policy_;
  LetterQueue queue_;
  Ticks handling_, now_{};
};

// Serving as the live driver runs it, until `end` by the clock. Replies have five tokens of 1 s, and nothing else takes
// time.
struct LiveServer {
  LiveServer(const std::string& hand_over, double handling = 0)
      : scene(std::make_unique<Stamped>(5), "",
              fmt::format("hand_over = '{}'\nslots = 2\nlatency = 0\ntoken_seconds = 1\nprompt_token_seconds = 0",
                          hand_over),
              3),
        mailbox(scene, handling) {}

  template <class... Body>
  void at(double due, Endpoint from, Subject subject, const Body&... body) {
    mailbox.send(to_serving(from, subject, due, body...));
  }
  void attend_until(double end) {
    at(end, endpoints::auditor, Subject::ended);
    Components components(scene.setup(), {.seed = 1});
    attend(components, {&endpoints::serving, 1}, mailbox);
  }
  // Versions of the tokens of the n-th reply that was served.
  std::vector<std::int64_t> versions(std::size_t n) const { return mailbox.turns.at(n).versions; }
  // In the order in which the tokens of all replies were sampled.
  const std::vector<std::int64_t>& stepped() const { return dynamic_cast<const Stamped&>(*scene.policy).stepped; }

  Scene scene;
  Script mailbox;
};

TEST(LiveServing, AnswersBetweenTwoTokens) {
  LiveServer server("swap");
  server.at(0, endpoints::users, Subject::request, request(0));
  server.at(2.5, endpoints::users, Subject::request, request(1));
  server.attend_until(20);
  using enum Subject;
  EXPECT_THAT(server.mailbox.sent, ElementsAre(answer, answer, turn, reply, turn, reply));
  EXPECT_THAT(server.mailbox.sampled, ElementsAre(1, 4));  // the first token of each, and at 1 and 2 s
}

// Every letter takes as long as three tokens should, so all steps are late. They wait in turn all the same.
TEST(LiveServing, AnswersBetweenTwoTokensWhenItIsLate) {
  LiveServer server("swap", 3);
  server.at(0, endpoints::users, Subject::request, request(0));
  server.at(4, endpoints::users, Subject::request, request(1));
  server.at(4, endpoints::training, Subject::weights, NewWeights{1, stamp(1)});
  server.at(7, endpoints::users, Subject::request, request(2));
  server.attend_until(200);
  using enum Subject;
  EXPECT_THAT(server.mailbox.sent, ElementsAre(answer, answer, answer, turn, reply, turn, reply, turn, reply));
  EXPECT_THAT(server.mailbox.sampled, testing::Contains(testing::AllOf(testing::Gt(1), testing::Lt(5))));
  EXPECT_THAT(server.versions(0), Each(0));
  EXPECT_THAT(server.versions(1), Each(0));
  EXPECT_THAT(server.versions(2), Each(1));
}

// New weights come between the third and the fourth token: the reply keeps the old ones, and another one begins
// with the new at the same time.
TEST(LiveServing, HasTwoBuffersWhenSwapping) {
  LiveServer server("swap");
  server.at(0, endpoints::users, Subject::request, request(0));
  server.at(2.5, endpoints::training, Subject::weights, NewWeights{1, stamp(1)});
  server.at(2.5, endpoints::users, Subject::request, request(1));
  server.attend_until(20);
  EXPECT_THAT(server.versions(0), Each(0));
  EXPECT_THAT(server.versions(1), Each(1));
  EXPECT_EQ(server.mailbox.turns[0].sample.reply.tokens[3], Stamped::token_of(0));
  EXPECT_EQ(server.mailbox.turns[1].sample.reply.tokens[3], Stamped::token_of(1));
  EXPECT_THAT(server.stepped(), ElementsAre(0, 0, 0, 1, 0, 1, 0, 1, 1, 1));
}

TEST(LiveServing, FinishesWithOldWeightsWhenItRefuses) {
  LiveServer server("pause503");
  server.at(0, endpoints::users, Subject::request, request(0));
  server.at(1.5, endpoints::training, Subject::pause, Pause::refuse);
  server.at(2.5, endpoints::users, Subject::request, request(1));
  server.at(2.5, endpoints::training, Subject::weights, NewWeights{1, stamp(1)});
  server.at(2.5, endpoints::training, Subject::resume);
  server.at(3.5, endpoints::users, Subject::request, request(2));
  server.attend_until(20);
  ASSERT_EQ(server.mailbox.turns.size(), 2);
  EXPECT_THAT(server.versions(0), Each(0));
  EXPECT_THAT(server.versions(1), Each(1));
  EXPECT_EQ(server.mailbox.turns[1].key.user, 2);
}

TEST(LiveServing, DrainsAllTokensBeforeABarrier) {
  LiveServer server("barrier");
  server.at(0, endpoints::users, Subject::request, request(0));
  server.at(1.5, endpoints::training, Subject::pause, Pause::drain);
  server.at(2.5, endpoints::users, Subject::request, request(1));
  server.at(9, endpoints::training, Subject::weights, NewWeights{1, stamp(1)});
  server.at(9, endpoints::training, Subject::resume);
  server.attend_until(20);
  using enum Subject;
  EXPECT_THAT(server.mailbox.sent, ElementsAre(answer, answer, turn, reply, drained, turn, reply));
  EXPECT_THAT(server.versions(0), Each(0));
  EXPECT_THAT(server.versions(1), Each(1));
}

// At 3.5 s three tokens have been generated, and one more has been sampled.
TEST(LiveServing, ContinuesInterruptedRepliesAnew) {
  LiveServer server("interrupt");
  server.at(0, endpoints::users, Subject::request, request(0));
  server.at(3.5, endpoints::training, Subject::pause, Pause::interrupt);
  server.at(8, endpoints::training, Subject::weights, NewWeights{1, stamp(1)});
  server.at(8, endpoints::training, Subject::resume);
  server.attend_until(20);
  EXPECT_THAT(server.versions(0), ElementsAre(0, 0, 0, 1, 1, 1, 1, 1));
  EXPECT_THAT(server.stepped(), ElementsAre(0, 0, 0, 0, 1, 1, 1, 1, 1));
  EXPECT_THAT(server.mailbox.turns[0].sample.reply.log_probs, ElementsAre(0, 0, 0, -1, -1, -1, -1, -1));
}

// A server without a pace of its own keeps what it sampled.
TEST(LiveServing, KeepsItsTokensWhereTheyTakeNoTime) {
  Scene scene(std::make_unique<Stamped>(5), "",
              "hand_over = 'interrupt'\nlatency = 0\ntoken_seconds = 0\nprompt_token_seconds = 0", 1);
  Script mailbox(scene, 1);
  mailbox.send(to_serving(endpoints::users, Subject::request, 0, request(0)));
  mailbox.send(to_serving(endpoints::training, Subject::pause, 2.5, Pause::interrupt));
  mailbox.send(to_serving(endpoints::training, Subject::weights, 2.5, NewWeights{1, stamp(1)}));
  mailbox.send(to_serving(endpoints::training, Subject::resume, 2.5));
  mailbox.send(to_serving(endpoints::auditor, Subject::ended, 50));
  Components components(scene.setup(), {.seed = 1});
  attend(components, {&endpoints::serving, 1}, mailbox);
  const std::vector<std::int64_t>& versions = mailbox.turns.at(0).versions;
  ASSERT_TRUE(std::ranges::is_sorted(versions));
  const std::int64_t old = std::ranges::count(versions, 0);
  EXPECT_GE(old, 2);
  EXPECT_EQ(versions.size(), old + 5);
}

// A run on the virtual clock in steps of any size, and its letters of serving to itself.
struct VirtualRun {
  VirtualRun(const Scene& scene, std::int64_t step) : components(scene.setup(), key(step)) {
    VirtualMailbox mailbox;
    mailbox.send(Components::start());
    while (!components.auditor().complete()) {
      const std::optional<Letter> letter = mailbox.next();
      if (letter->from == endpoints::serving && letter->to == endpoints::serving) ++letters;
      for (const Letter& answer : components.at(letter->to).handle(*letter, mailbox.now())) mailbox.send(answer);
    }
    result = components.auditor().result();
    for (const TraceEntry& e : of_kind(result, TraceEntry::Kind::served)) tokens += std::ssize(e.versions);
  }
  static RunKey key(std::int64_t step) { return {.seed = 1, .replicate = 3, .keep = Keep::trace, .step = step}; }

  Components components;
  Result result;
  std::int64_t letters = 0, tokens = 0;
};

void expect_equal(const Result& a, const Result& b, const std::string& label) {
  EXPECT_EQ(a.trace, b.trace) << label;
  EXPECT_TRUE(at::equal(a.weights, b.weights)) << label;
  EXPECT_EQ(a.dropped, b.dropped) << label;
  EXPECT_EQ(a.end, b.end) << label;
}

Scene busy(std::unique_ptr<Policy> policy, const std::string& mode) {
  return {
      std::move(policy), "batch = 4\nrate = 1\nsessions = 6\n",
      fmt::format("hand_over = '{}'\nslots = 3\neta = 2\nside = 0.2\nupdate = 'at_once'\njudge_seconds = 2\n", mode),
      8};
}

// Takes every reply and reinforces it by its vote.
class Reinforcing final : public Objective {
 public:
  bool takes(const Signals&) const override { return true; }
  double loss(const Sample& sample, RowView<double> slopes) const override {
    for (std::size_t i = 0; i < sample.positions.size(); ++i) {
      slopes.at(static_cast<std::int64_t>(i))[sample.positions[i].token] = -sample.signals.reward;
    }
    return 0;
  }
};

std::unique_ptr<Policy> small_transformer() {
  return transformer_policy({.vocabulary = talk::vocabulary, .context = talk::context, .width = 8, .layers = 1}, {});
}

TEST(Steps, GiveTheRunOfWholeReplies) {
  for (const std::string mode : {"barrier", "pause503", "swap"}) {
    Scene scene = busy(small_transformer(), mode);
    scene.objective = std::make_unique<Reinforcing>();
    const VirtualRun whole(scene, whole_reply);
    EXPECT_GT(whole.result.updates, 10) << mode;
    for (const std::int64_t step : {1, 3}) expect_equal(VirtualRun(scene, step).result, whole.result, mode);
  }
  const Scene scene = busy(std::make_unique<Stamped>(12), "interrupt");  // does not draw
  const VirtualRun whole(scene, whole_reply);
  EXPECT_GT(whole.result.serving.interrupted, 10);
  for (const std::int64_t step : {1, 3, 20}) expect_equal(VirtualRun(scene, step).result, whole.result, "interrupt");
}

// One letter for each start of a reply, not for each token.
TEST(Steps, CostTheVirtualClockNothing) {
  for (const std::string mode : {"swap", "interrupt"}) {
    const Scene scene = busy(std::make_unique<Stamped>(12), mode);
    const auto& sampled = dynamic_cast<const Stamped&>(*scene.policy).stepped;
    const VirtualRun whole(scene, whole_reply);
    const ServingCounters& serving = whole.result.serving;
    EXPECT_GE(whole.letters, serving.served) << mode;
    EXPECT_LE(whole.letters, serving.served + serving.interrupted) << mode;
    expect_equal(pipeline::run(scene.setup(), 1, 3, Keep::trace), whole.result, mode);
    EXPECT_THAT(sampled, IsEmpty());  // neither of them in steps
    const VirtualRun one(scene, 1);
    EXPECT_GE(one.letters, one.tokens) << mode;
    EXPECT_GE(std::ssize(sampled), one.tokens) << mode;
  }
}

// The turn of one request, interrupted after `made` tokens and continued with the weights `second`.
Turn interrupted(const Scene& scene, std::int64_t step, int made, const at::Tensor& second) {
  Serving serving(scene.setup(), {.seed = 1, .step = step});
  VirtualMailbox mailbox;
  std::optional<Turn> served;
  const auto handle = [&](const Letter& letter, Ticks now) {
    for (const Letter& answer : serving.handle(letter, now)) {
      if (answer.to == endpoints::serving) mailbox.send(answer);
      if (subject(answer) == Subject::turn) served = unpack<Turn>(answer);
    }
  };
  handle(to_serving(endpoints::users, Subject::request, 0, request(0)), Ticks{});
  // A letter that is due by then comes before the interruption.
  std::optional<Letter> event = mailbox.next();
  for (; event && event->due < ticks(made + 0.5); event = mailbox.next()) handle(*event, event->due);
  handle(to_serving(endpoints::training, Subject::pause, 0, Pause::interrupt), ticks(made + 0.5));
  handle(to_serving(endpoints::training, Subject::weights, 0, NewWeights{1, second}), ticks(50));
  handle(to_serving(endpoints::training, Subject::resume, 0), ticks(50));
  while (event && !served) {
    handle(*event, std::max(event->due, ticks(50)));
    event = mailbox.next();
  }
  EXPECT_TRUE(served);
  return served.value_or(Turn{});
}

// Tokens after an interruption are drawn after those that were sampled before it, the discarded ones too.
TEST(Steps, DiscardedTokensUseUpTheirDraws) {
  const Scene scene(small_transformer(), "",
                    "hand_over = 'interrupt'\nlatency = 0\ntoken_seconds = 1\nprompt_token_seconds = 0", 1);
  const at::Tensor first = scene.policy->initial_parameters(), second = first * 2;
  const auto worker = scene.policy->rollout_worker();
  const auto reply = [&](const at::Tensor& weights, std::span<const Token> prompt, RandomStream& random) {
    Reply all;
    worker->load(weights);
    worker->reply({&prompt, 1}, 1, {&random, 1}, {&all, 1});
    return all;
  };
  constexpr int made = 4;
  RandomStream begun = turn_stream(random_key(1, "agents/serving"), 0, {0, 1, 0});
  const Reply old = reply(first, request(0).prompt, begun);
  ASSERT_GT(old.tokens.size(), made + 3);
  for (const std::int64_t step : {std::int64_t{1}, std::int64_t{3}, whole_reply}) {
    RandomStream random = turn_stream(random_key(1, "agents/serving"), 0, {0, 1, 0});
    const std::int64_t sampled = std::min<std::int64_t>(made / step * step + step, std::ssize(old.tokens));
    for (std::int64_t i = 0; i < sampled; ++i) random.uniform();  // one draw each
    std::vector<Token> expected = old.tokens;
    expected.resize(made);
    std::vector<Token> prefix = request(0).prompt;
    prefix.insert(prefix.end(), expected.begin(), expected.end());
    const Reply rest = reply(second, prefix, random);
    expected.insert(expected.end(), rest.tokens.begin(), rest.tokens.end());
    expected.resize(std::min<std::size_t>(expected.size(), talk::longest_reply));
    const Turn served = interrupted(scene, step, made, second);
    EXPECT_EQ(served.sample.reply.tokens, expected) << step;
    ASSERT_GT(served.versions.size(), made);
    EXPECT_EQ(std::ranges::count(served.versions, 0), made) << step;
  }
}

}  // namespace
