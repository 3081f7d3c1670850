// Does a round's record say what happened, and does a round with a failure fail on every rank?

#include <ATen/ops/full.h>

#include <cmath>

#include "tests/sim/round/rounds.hpp"
#include "tests/sim/round/scripted.hpp"

namespace shoal {
namespace {

using namespace shoal::test;

TEST(RoundRecords, SayWhichClientsDroppedOutAndWhen) {
  const Federation parts = federation(
      "strategy = \"scaffold\"\ntask = {name = \"quadratic\", clients = 30, dimension = 5}\n"
      "planner = {cohort = 20, dropout = 0.5}\npopulation = {speed_sigma = 1}\n");
  const Played played = play(parts, 10, {2, 1});
  std::map<Outcome, int> outcomes;
  Ticks now{};
  for (const RoundRecord& record : played.records) {
    std::int64_t dropouts = 0;
    Ticks last = now;
    ASSERT_EQ(record.clients.size(), 20U);
    EXPECT_EQ(record.started, 20);
    for (const ClientRow& row : record.clients) {
      const Participation& p = row.participation;
      ++outcomes[p.outcome];
      EXPECT_EQ(p.start, now);
      EXPECT_EQ(row.committed, p.outcome == Outcome::completes);
      EXPECT_EQ(row.figures.accepted, row.committed);
      dropouts += row.committed ? 0 : 1;
      last = std::max(last, p.finish);
      // The times of download, one step of 4 * 5 operations, and upload: 2 vectors of 5 float32 each way.
      const double speed = parts.population->device(p.client).flops_per_second;
      const double whole = 40 / 4e6 + 20 / speed + 40 / 1e6;
      const double took = seconds(p.finish - p.start);
      EXPECT_NEAR(row.committed ? took : whole, whole, 1e-6);
      EXPECT_GE(took, 0);
      EXPECT_LE(took, whole + 1e-6);
      // All clients download the parameters and the control variate; a client that drops out uploads nothing.
      EXPECT_EQ(row.bytes_down, 40);
      EXPECT_EQ(row.figures.bytes_up, row.committed ? 40 : 0);
      EXPECT_EQ(row.figures.steps, row.committed ? 1 : 0);
    }
    EXPECT_EQ(record.dropouts, dropouts);
    EXPECT_EQ(record.committed, 20 - dropouts);
    EXPECT_EQ(record.examples, 20 - dropouts);
    EXPECT_EQ(record.bytes_down, 20 * 40);
    EXPECT_EQ(record.bytes_up, (20 - dropouts) * 40);
    EXPECT_EQ(record.time, last);  // the server waits for the last client
    now = record.time;
  }
  EXPECT_EQ(outcomes.size(), 4U);  // completes, and dropouts in three phases
}

TEST(RoundRecords, HaveTheMeanOfTheLosses) {
  // Curvature 2, optimum i, x = 0: the first step's loss is i^2.
  const Played played = play(federation("[task]\nname = \"quadratic\"\nprecision = \"float64\"\n"
                                        "curvatures = [2, 2, 2]\noptima = [1, 2, 3]\n[planner]\ncohort = 3\n"
                                        "[local]\nblock = 2\n"),
                             1, {2, 1});
  for (const ClientRow& row : played.records[0].clients) {
    const double optimum = 1 + value(row.participation.client);
    EXPECT_DOUBLE_EQ(row.figures.loss, optimum * optimum);
  }
  EXPECT_DOUBLE_EQ(played.records[0].train_loss, (1 + 4 + 9) / 3.0);
}

// Like the plain codec, but 100 bytes are expected of each client and it sends 10 + its id.
class Chatty final : public Codec {
 public:
  Wire wire(Wire before, const ParameterLayout&) const override {
    before.expected_bytes = 100;
    before.largest_bytes = 1000;
    return before;
  }
  Encoded encode(Encoded before, const Wire&, const Message&, ClientBlock&, const PartContext& context) const override {
    for (std::size_t k = 0; k < context.block.size(); ++k) before.value_bytes[k] = 10 + value(context.block[k].client);
    return before;
  }
};

TEST(RoundRecords, CountTheBytesThatTheCodecSent) {
  const auto strategy = std::make_shared<Scripted>();
  strategy->declared = {{.name = "a", .weighting = Weighting::uniform}, {.name = "b", .weighting = Weighting::uniform}};
  strategy->value = [](const Participation& p, std::size_t) { return p.client == ClientId{2} ? 1e9 : 1.0; };
  std::int64_t expected_by_planner = 0;
  const auto plan = [&, all = all_clients()](State& state, World& world) {
    if (world.round == 1) expected_by_planner = world.bytes_up;
    return all(state, world);
  };
  Federation parts = scripted(std::make_shared<UnequalTask>(5, 1), strategy, plan, 2);
  parts.codecs = {std::make_shared<Chatty>()};
  const Played played = play(parts, 1);
  EXPECT_EQ(expected_by_planner, 200);
  std::int64_t total = 0;
  for (const ClientRow& row : played.records[0].clients) {
    // Each client sends two channels; a rejected client has sent its update too.
    EXPECT_EQ(row.figures.bytes_up, 2 * (10 + value(row.participation.client)));
    total += row.figures.bytes_up;
  }
  EXPECT_EQ(played.records[0].rejected, 1);
  EXPECT_EQ(played.records[0].bytes_up, total);
  EXPECT_EQ(total, 2 * (50 + 0 + 1 + 2 + 3 + 4));
  EXPECT_EQ(play(parts, 2, {3, 2}).records[1].bytes_up, total);
}

TEST(RoundRecords, FlagModelsThatAreNoLongerFinite) {
  const auto with_rate = [](const char* rate) {
    return federation(
        fmt::format("strategy = {{name = \"fed_avg\", rate = {}}}\nplanner = {{cohort = 2}}\n"
                    "aggregator = {{name = \"float_sum\", bound = 1e30}}\n"
                    "[task]\nname = \"quadratic\"\ncurvatures = [1, 1]\noptima = [1000, 1000]\n",
                    rate));
  };
  // A change of 100 makes the model 10^22; from there the change is 10^21 and the model exceeds float32.
  const Played played = play(with_rate("1e20"), 3, {2, 1});
  EXPECT_FALSE(played.records[0].diverged);
  EXPECT_TRUE(played.records[1].diverged);
  EXPECT_EQ(played.records[1].verdict, Verdict::commit);
  // A model that is not finite stays so, and nothing crashes: its clients return no finite update.
  EXPECT_EQ(played.records[2].rejected, 2);
  EXPECT_EQ(played.records[2].verdict, Verdict::abandoned);
  EXPECT_FALSE(std::isfinite(numbers(played.last())[0]));
  // A rate that exceeds float32 is refused before the first round.
  EXPECT_THROW(with_rate("1e39"), UserError);
  EXPECT_THROW(federation("task = {name = \"quadratic\", clients = 20}\nlocal = {rate = 1e39}\n"), UserError);
}

// The round's error message.
std::string failure(const Federation& parts, Hands hands) {
  try {
    play(parts, 2, hands);
  } catch (const std::exception& error) {
    return error.what();
  }
  return "(none)";
}

TEST(RoundRecords, FailOnAllRanksWhenOneClientFails) {
  const auto strategy = std::make_shared<Scripted>();
  strategy->value = [](const Participation& p, std::size_t) -> double {
    if (p.client == ClientId{5}) system_error("client 5 cannot train");
    return 1;
  };
  for (const Hands hands : {Hands{1, 1}, Hands{1, 2}, Hands{2, 1}, Hands{3, 2}, Hands{5, 1}}) {
    // play() returns only when all ranks have ended; a rank that waits forever would hang here.
    EXPECT_EQ(failure(scripted(std::make_shared<UnequalTask>(9, 1), strategy), hands), "client 5 cannot train");
  }
}

// Returns `rows` rows of `columns` values, whatever was declared.
class WrongShape final : public Strategy {
 public:
  std::int64_t rows, columns;
  WrongShape(std::int64_t r, std::int64_t c) : rows(r), columns(c) {}
  UpdateBlock client_update(const Message& server, ClientBlock& block) const override {
    block.train(server.params());
    return Rows(at::full({rows, columns}, 1.0, server.params().options()));
  }
  void server_update(State&, std::span<const Aggregate>, const ServerContext&) const override {}
};

TEST(RoundRecords, RefuseUpdatesOfAnUndeclaredShape) {
  const auto task = std::make_shared<UnequalTask>(4, 3);
  EXPECT_EQ(failure(scripted(task, std::make_shared<WrongShape>(2, 3), all_clients(), 2), {}), "(none)");
  EXPECT_NE(failure(scripted(task, std::make_shared<WrongShape>(2, 2), all_clients(), 2), {}), "(none)");
  EXPECT_NE(failure(scripted(task, std::make_shared<WrongShape>(1, 3), all_clients(), 2), {}), "(none)");
}

// Returns zeros and never trains its clients.
class Idle final : public Strategy {
 public:
  UpdateBlock client_update(const Message& server, ClientBlock& block) const override {
    return Rows(at::full({block.count(), server.params().numel()}, 0.0, server.params().options()));
  }
  void server_update(State&, std::span<const Aggregate>, const ServerContext&) const override {}
};

TEST(RoundRecords, RefuseUpdatesOfUntrainedClients) {
  EXPECT_THROW(play(scripted(std::make_shared<UnequalTask>(4, 3), std::make_shared<Idle>()), 1), BrokenInvariant);
}

}  // namespace
}  // namespace shoal
