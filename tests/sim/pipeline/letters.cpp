// Do the bodies of letters come back as they were packed, and is what is damaged refused?

#include <gtest/gtest.h>

#include <ATen/ops/arange.h>

#include "sim/pipeline/letters.hpp"

namespace {

using namespace shoal;
using namespace shoal::pipeline;

Letter letter(std::shared_ptr<const Bytes> body) {
  return {endpoints::users, endpoints::serving, kind(Subject::request), std::move(body), {}};
}

template <class Body>
Body back(const Body& body) {
  return unpack<Body>(letter(pack(body)));
}

ToJudge example() {
  Turn turn{.number = 9, .key = {3, 2, 1}, .type = TurnType::tool, .sample = {}, .versions = {4, 5, 5}};
  turn.sample.prompt = {1, 2, 3, 4};
  turn.sample.reply = {.tokens = {7, 8, 0}, .log_probs = {-0.5, -0.25, -1e-300}};
  turn.sample.temperature = 0.7;
  turn.sample.signals = {.reward = -1, .advantage = 0.5, .hints = 3};
  turn.sample.hinted = {{1, 2}, {}, {3}};
  turn.sample.draw = 0.125;
  turn.sample.version = 4;
  const FollowUp state{.of = {3, 2, 1},
                       .evidence = {.reward = 1, .tool = true, .directive = true, .shows = NextState::tool_error},
                       .said = talk::Rule::colder};
  return {turn, state};
}

TEST(Letters, KeepEveryField) {
  const ToJudge before = example(), after = back(before);
  EXPECT_EQ(after.turn.number, 9);
  EXPECT_EQ(after.turn.key, before.turn.key);
  EXPECT_EQ(after.turn.type, TurnType::tool);
  EXPECT_EQ(after.turn.versions, before.turn.versions);
  const JudgedReply &a = before.turn.sample, &b = after.turn.sample;
  EXPECT_EQ(b.prompt, a.prompt);
  EXPECT_EQ(b.reply.tokens, a.reply.tokens);
  EXPECT_EQ(b.reply.log_probs, a.reply.log_probs);
  EXPECT_EQ(b.temperature, 0.7);
  EXPECT_EQ(b.signals.reward, -1);
  EXPECT_EQ(b.signals.advantage, 0.5);
  EXPECT_EQ(b.signals.hints, 3);
  EXPECT_EQ(b.hinted, a.hinted);
  EXPECT_EQ(b.draw, 0.125);
  EXPECT_EQ(b.version, 4);
  ASSERT_TRUE(after.state);
  EXPECT_EQ(after.state->of, before.turn.key);
  EXPECT_EQ(after.state->evidence.shows, NextState::tool_error);
  EXPECT_TRUE(after.state->evidence.tool && after.state->evidence.directive);
  EXPECT_EQ(after.state->said, talk::Rule::colder);
  EXPECT_EQ(*pack(after), *pack(before));  // all fields: a body that lost one has other bytes
  EXPECT_FALSE(back(ToJudge{before.turn, {}}).state);
}

TEST(Letters, KeepRequestsThatLackAField) {
  const Request before{
      .user = 5, .type = TurnType::side, .turn = 2, .prompt = {1}, .temperature = 2, .sent = Ticks{8}, .cut = true};
  const Request after = back(before);
  EXPECT_EQ(after.session, std::nullopt);
  EXPECT_EQ(after.type, TurnType::side);
  EXPECT_TRUE(after.cut);
  EXPECT_EQ(after.sent, Ticks{8});
  EXPECT_EQ(*pack(after), *pack(before));
}

TEST(Letters, KeepWeightsAndTraces) {
  const NewWeights weights = back(NewWeights{3, at::arange(5, at::kFloat)});
  EXPECT_EQ(weights.version, 3);
  EXPECT_TRUE(at::equal(weights.weights, at::arange(5, at::kFloat)));
  EXPECT_FALSE(back(NewWeights{1, {}}).weights.defined());
  const TraceEntry entry{.time = Ticks{1},
                         .kind = TraceEntry::Kind::handed_over,
                         .turn = {1, 2, 3},
                         .version = 4,
                         .versions = {5, 6},
                         .latency = Ticks{7}};
  EXPECT_EQ(back(entry), entry);
  Ledger ledger{.produced = 1, .consumed = 2, .resident = 3};
  ledger.drop(Reason::leftover);
  EXPECT_EQ(back(ledger), ledger);
}

TEST(Letters, RefuseEveryCutAndEveryRest) {
  const Bytes whole = *pack(example());
  for (std::size_t size = 0; size < whole.size(); ++size) {
    const auto cut = std::make_shared<Bytes>(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size));
    EXPECT_THROW(unpack<ToJudge>(letter(cut)), UserError) << size;
  }
  auto longer = std::make_shared<Bytes>(whole);
  longer->push_back({});
  EXPECT_THROW(unpack<ToJudge>(letter(longer)), UserError);
  EXPECT_THROW(unpack<ToJudge>(letter(nullptr)), UserError);
}

// A damaged byte is refused or gives another value, but never another size of memory or a crash.
TEST(Letters, SurviveAnyDamagedByte) {
  const Bytes whole = *pack(example());
  int refused = 0;
  for (std::size_t at = 0; at < whole.size(); ++at) {
    for (const int byte : {0x00, 0x01, 0x7f, 0x80, 0xff}) {
      const auto damaged = std::make_shared<Bytes>(whole);
      (*damaged)[at] = static_cast<std::byte>(byte);
      try {
        const ToJudge order = unpack<ToJudge>(letter(damaged));
        EXPECT_LE(order.turn.sample.hinted.size(), whole.size());
      } catch (const UserError&) {
        ++refused;
      }
    }
  }
  EXPECT_GT(refused, 300);
}

TEST(Letters, RefuseTokensAndTurnsOutOfRange) {
  EXPECT_THROW(back(Request{.user = 1, .prompt = {talk::vocabulary}}), UserError);
  EXPECT_THROW(back(Request{.user = 1, .prompt = {-1}}), UserError);
  EXPECT_THROW(back(TurnKey{1, 1, -1}), UserError);
  EXPECT_THROW(back(TurnKey{1, 1, 1 << 30}), UserError);
}

TEST(Letters, RefuseTurnsWhosePartsDoNotFit) {
  const auto differs = [](auto&& change) {
    ToJudge order = example();
    change(order.turn);
    EXPECT_THROW(back(order.turn), UserError);
  };
  differs([](Turn& turn) { turn.versions.pop_back(); });
  differs([](Turn& turn) { turn.sample.hinted.pop_back(); });
  differs([](Turn& turn) { turn.sample.reply.log_probs.push_back(0); });
  Turn cut = example().turn;
  cut.sample.reply.log_probs.pop_back();  // a fault of a user's trajectory: collection drops it
  EXPECT_EQ(back(cut).sample.reply.log_probs.size(), 2);
}

}  // namespace
