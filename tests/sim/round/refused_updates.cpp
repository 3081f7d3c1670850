// Updates that a round refuses, bounds that leave no resolution, and parts that return wrong shapes.

#include <ATen/ATen.h>
#include <gmock/gmock.h>

#include "tests/sim/round/rounds.hpp"

namespace shoal {
namespace {

using namespace shoal::test;
using ::testing::HasSubstr;

const std::string quadratic =
    "task = {name = \"quadratic\", clients = 6, dimension = 3, examples = 30}\nplanner = {cohort = 4}\n";

std::string error_of(const std::string& toml) {
  try {
    play(federation(toml), 1);
    return "accepted";
  } catch (const UserError& error) {
    return error.what();
  }
}

// A total weight of 4 x 30 with units of 2^-20 leaves bounds up to 2^42 / 120 = 3.7e10.
TEST(Resolution, IsNotTradedAwayUnseen) {
  for (const char* bound : {"1e16", "4e10", "1e30"}) {
    const std::string error = error_of(quadratic + "aggregator = {bound = " + bound + "}\n");
    EXPECT_THAT(error, HasSubstr("[aggregator] 'bound' = ")) << bound;
    EXPECT_THAT(error, HasSubstr("Lower it to at most 3.6e+10")) << bound;
  }
  for (const char* bound : {"3.6e10", "256", "1e-6"}) {
    EXPECT_EQ(error_of(quadratic + "aggregator = {bound = " + bound + "}\n"), "accepted") << bound;
  }
  EXPECT_EQ(error_of(quadratic + "aggregator = {name = \"float_sum\", bound = 1e16}\n"), "accepted");
}

TEST(Resolution, CountsTheTotalWeight) {
  const std::string many =
      "task = {name = \"quadratic\", clients = 6, dimension = 3, examples = 30_000_000}\n"
      "planner = {cohort = 4}\nlocal = {steps = 1}\n";
  EXPECT_THAT(error_of(many + "aggregator = {bound = 1e5}\n"), HasSubstr("Lower it to at most 3.6e+04"));
  EXPECT_EQ(error_of(many + "aggregator = {bound = 1e5, weights = \"uniform\"}\n"), "accepted");
}

TEST(Resolution, AsksThePartForItsOwnBound) {
  class Wide final : public Strategy {
   public:
    std::vector<Channel> channels(const ParameterLayout& layout) const override {
      return {{.name = "wide", .size = layout.size, .bound = 1e20}};
    }
    UpdateBlock client_update(const Message& server, ClientBlock& clients) const override {
      return clients.gradient(server.params()).delta;
    }
    void server_update(State&, std::span<const Aggregate>, const ServerContext&) const override {}
  };
  Federation parts = federation(quadratic);
  parts.strategy = std::make_shared<Wide>();
  try {
    play(parts, 1);
    ADD_FAILURE();
  } catch (const UserError& error) {
    EXPECT_THAT(error.what(), HasSubstr("'wide'"));
  }
}

TEST(RefusedUpdates, AreNoExamples) {
  // Optima far away: some clients' updates exceed the bound.
  const std::string far =
      "aggregator = {bound = 2}\nlocal = {steps = 1, batch = 0, rate = 1}\n"
      "[task]\nname = \"quadratic\"\ncurvatures = [1, 1, 1]\noptima = [1, 1.5, 50]\nstart = 0\n"
      "[planner]\ncohort = 3\n";
  const Played played = play(federation(far), 1);
  const RoundRecord& record = played.records[0];
  EXPECT_EQ(record.committed, 2);
  EXPECT_EQ(record.rejected, 1);
  std::int64_t accepted = 0;
  for (const ClientRow& client : record.clients) accepted += client.figures.accepted ? client.figures.examples : 0;
  EXPECT_EQ(record.examples, accepted);
  EXPECT_GT(accepted, 0);
  EXPECT_EQ(record.reason, "");
}

TEST(RefusedUpdates, SayBoundAndRateIfTheyAreAll) {
  for (const char* rate : {"1e-3", "0.5", "1e29"}) {
    const Played played =
        play(federation(quadratic + "aggregator = {bound = 1e-20}\nlocal = {rate = " + rate + "}\n"), 2);
    for (const RoundRecord& record : played.records) {
      EXPECT_EQ(record.verdict, Verdict::abandoned);
      EXPECT_EQ(record.committed, 0);
      EXPECT_EQ(record.rejected, 4);
      EXPECT_EQ(record.examples, 0);
      EXPECT_THAT(record.reason, HasSubstr("no update was accepted"));
      EXPECT_THAT(record.reason, HasSubstr("'bound' = 1e-20 in [aggregator]"));
      EXPECT_THAT(record.reason, HasSubstr("'rate' in [local]"));
    }
  }
}

// Strategies whose authors have made mistakes.
class Mistaken : public Strategy {
 public:
  enum class Mistake { width, count, channels, server, arithmetic };

  explicit Mistaken(Mistake mistake) : mistake_(mistake) { set_name("mine"); }
  UpdateBlock client_update(const Message& server, ClientBlock& clients) const override {
    const at::Tensor delta = clients.train(server.params()).delta.dense();
    if (mistake_ == Mistake::width) return Rows(at::cat({delta, delta}, 1));
    if (mistake_ == Mistake::count) return Rows(at::cat({delta, delta}, 0));
    if (mistake_ == Mistake::channels) return UpdateBlock(std::vector<Rows>{Rows(delta), Rows(delta)});
    if (mistake_ == Mistake::arithmetic) return Rows(at::matmul(delta, delta));
    return Rows(delta);
  }
  void server_update(State& state, std::span<const Aggregate> groups, const ServerContext&) const override {
    if (mistake_ == Mistake::server) state.put("params", at::cat({state.params(), groups[0].mean()}));
  }

 private:
  Mistake mistake_;
};

TEST(WrongShapes, NameThePartTheRoundAndTheShapes) {
  using enum Mistaken::Mistake;
  const std::map<Mistaken::Mistake, std::string> expected = {
      {width,
       "'mine' has filled the channel 'delta' with 1 x 6 values in round 1 (its declaration and the block ask for 1 x "
       "3"},
      {count,
       "'mine' has filled the channel 'delta' with 2 x 3 values in round 1 (its declaration and the block ask for 1 x "
       "3"},
      {channels, "'mine' has filled 2 channels in round 1 (of 1 that are declared)"},
      {server, "'mine' has left parameters of shape [6] and type Float in round 1 (the model has [3] of type Float)"},
      {arithmetic, "the client_update of 'mine' has failed in round 1: mm: mat1 and mat2 shapes cannot be multiplied"}};
  for (const auto& [mistake, message] : expected) {
    Federation parts = federation(quadratic);
    parts.strategy = std::make_shared<Mistaken>(mistake);
    try {
      play(parts, 1);
      ADD_FAILURE() << message;
    } catch (const UserError& error) {
      EXPECT_THAT(error.what(), HasSubstr(message));
    }
  }
}

}  // namespace
}  // namespace shoal
