// Does one round keep its promises when clients misbehave, drop out, arrive late or keep memory?

#include "sim/round/run_round.hpp"

#include <ATen/ops/equal.h>
#include <ATen/ops/zeros_like.h>

#include <cmath>
#include <limits>
#include <set>

#include "tests/sim/round/rounds.hpp"
#include "tests/sim/round/scripted.hpp"

namespace shoal {
namespace {

using namespace shoal::test;

constexpr double infinity = std::numeric_limits<double>::infinity();
constexpr double nan = std::numeric_limits<double>::quiet_NaN();

std::shared_ptr<const UnequalTask> clients(std::int64_t count, std::int64_t dimension = 1) {
  return std::make_shared<UnequalTask>(count, dimension);
}

const ClientRow& row_of(const RoundRecord& record, std::int64_t client) {
  for (const ClientRow& row : record.clients) {
    if (row.participation.client == ClientId{client}) return row;
  }
  throw BrokenInvariant("no such client in the record");
}

// --- Clients that are left out ---------------------------------------------------------------------------------------

// Keeps in its memory how often the client was accepted: m = 2 m + 1 gives 2^n - 1 after n visits. Returns scripted
// values.
class Remembering final : public Strategy {
 public:
  Scripted inner;
  std::vector<Channel> channels(const ParameterLayout& layout) const override { return inner.channels(layout); }
  std::vector<MemorySlot> memory(const ParameterLayout&, std::span<const Channel>) const override {
    return {{"visits", 2, at::kDouble}};
  }
  UpdateBlock client_update(const Message& server, ClientBlock& block) const override {
    UpdateBlock update = inner.client_update(server, block);
    block.remember("visits", block.recall("visits") * 2 + 1);
    return update;
  }
  void server_update(State& state, std::span<const Aggregate> groups, const ServerContext& context) const override {
    inner.server_update(state, groups, context);
  }
};

std::map<std::int64_t, double> visits(const Played& played) {
  std::map<std::int64_t, double> all;
  for (const auto& [client, record] : played.memory) {
    const std::vector<double> values = numbers(record.at(0));
    EXPECT_EQ(values.at(0), values.at(1));
    all[value(client)] = std::log2(values.at(0) + 1);
  }
  return all;
}

TEST(RunRound, LeavesOutUpdatesBeyondTheBound) {
  const std::vector<double> values = {1, nan, 3, -infinity, 300, -2, 256, std::nextafter(256.0, 300.0), -256};
  for (const std::int64_t block : {1, 4, 9}) {
    for (const Hands hands : {Hands{1, 1}, Hands{3, 2}}) {
      const auto strategy = std::make_shared<Remembering>();
      strategy->inner.value = [&](const Participation& p, std::size_t) { return values[value(p.client)]; };
      const Played played = play(scripted(clients(9, 3), strategy, all_clients(), block), 1, hands);
      const RoundRecord& record = played.records[0];
      EXPECT_EQ(record.rejected, 4);
      EXPECT_EQ(record.committed, 5);
      EXPECT_EQ(record.verdict, Verdict::commit);
      EXPECT_TRUE(std::isfinite(record.train_loss));
      expect_close(played.last(), std::vector<double>(3, (1 + 3 - 2 + 256 - 256) / 5.0), 1e-12, "params");
      EXPECT_EQ(played.strategy.integer("clients"), 5);
      const std::map<std::int64_t, double> remembered = {{0, 1}, {2, 1}, {5, 1}, {6, 1}, {8, 1}};
      EXPECT_EQ(visits(played), remembered);
      for (std::int64_t c = 0; c < 9; ++c) {
        EXPECT_EQ(row_of(record, c).figures.accepted, remembered.contains(c)) << "client " << c;
        EXPECT_TRUE(row_of(record, c).committed);
      }
    }
  }
}

// One bad coordinate in one channel is enough to leave the client out of all channels.
TEST(RunRound, LeavesOutWholeClients) {
  const auto strategy = std::make_shared<Scripted>();
  strategy->declared = {{.name = "a", .weighting = Weighting::uniform}, {.name = "b", .bound = 1}};
  strategy->value = [](const Participation& p, std::size_t channel) {
    if (p.client != ClientId{1}) return 1.0;
    return channel == 1 ? 1.5 : 10.0;
  };
  const Played played = play(scripted(clients(3), strategy), 1, {2, 1});
  EXPECT_EQ(played.records[0].rejected, 1);
  expect_close(played.strategy.tensor("mean 0"), {1}, 1e-12, "a");
  expect_close(played.strategy.tensor("mean 1"), {1}, 1e-12, "b");
  expect_close(played.strategy.tensor("weight 0"), {2}, 0, "weight");
}

// The bound of [aggregator] applies only to channels that declare none, even if a declared bound equals the default.
TEST(RunRound, KeepsTheBoundThatAChannelDeclares) {
  for (const bool declared : {true, false}) {
    const auto strategy = std::make_shared<Scripted>();
    strategy->declared = {{.name = "value", .size = 1, .weighting = Weighting::uniform}};
    if (declared) strategy->declared[0].bound = SumSettings().bound;
    strategy->value = [](const Participation& p, std::size_t) { return value(p.client) == 1 ? 100.0 : 1.0; };
    Federation parts = scripted(clients(3), strategy);
    parts.sums.bound = 10;
    EXPECT_EQ(play(parts, 1, {2, 1}).records[0].rejected, declared ? 0 : 1);
  }
}

// A weight that a client computes from its update is as bad as the update.
TEST(RunRound, LeavesOutClientsWhoseWeightIsNotFinite) {
  const auto strategy = std::make_shared<Scripted>();
  strategy->declared = {{.name = "value", .weighting = Weighting::real}};
  strategy->weight = [](const Participation& p) {
    if (p.client == ClientId{1}) return nan;
    return p.client == ClientId{3} ? infinity : 0.5;
  };
  strategy->value = [](const Participation& p, std::size_t) { return value(p.client); };
  const Played played = play(scripted(clients(4), strategy, all_clients(), 2), 1, {2, 1});
  EXPECT_EQ(played.records[0].rejected, 2);
  expect_close(played.last(), {1}, 1e-12, "params");
}

// Weights beyond those that the channel declares could overflow the sum. They may come from a client's data, so they
// reject the client and do not end the run.
TEST(RunRound, RejectsWeightsBeyondTheDeclared) {
  for (const double weight : {-0.1, 1.1}) {
    const auto strategy = std::make_shared<Scripted>();
    strategy->declared = {{.name = "value", .weighting = Weighting::real}};
    strategy->weight = [weight](const Participation& p) { return p.client == ClientId{1} ? weight : 0.5; };
    strategy->value = [](const Participation& p, std::size_t) { return value(p.client); };
    const Played played = play(scripted(clients(3), strategy, all_clients(), 2), 1, {2, 1});
    EXPECT_EQ(played.records[0].rejected, 1) << weight;
    expect_close(played.last(), {1}, 1e-12, "params");  // the mean of 0 and 2
  }
}

void expect_abandoned(const Played& played, std::size_t round, const at::Tensor& before) {
  EXPECT_EQ(played.records[round].verdict, Verdict::abandoned);
  EXPECT_EQ(played.records[round].committed, 0);
  EXPECT_TRUE(std::isnan(played.records[round].train_loss));
  EXPECT_FALSE(played.records[round].diverged);
  EXPECT_TRUE(at::equal(played.params[round], before));
}

TEST(RunRound, IsAbandonedWhenAllAreRejected) {
  const auto strategy = std::make_shared<Remembering>();
  strategy->inner.value = [](const Participation& p, std::size_t) { return value(p.version) == 1 ? nan : 1.0; };
  const Played played = play(scripted(clients(4), strategy), 3, {2, 1});
  EXPECT_EQ(played.records[0].verdict, Verdict::commit);
  for (const std::size_t round : {1, 2}) {
    expect_abandoned(played, round, played.params[0]);
    EXPECT_EQ(played.records[round].version, Version{1});
    EXPECT_EQ(played.records[round].rejected, 4);
  }
  EXPECT_EQ(visits(played).at(3), 1);
}

TEST(RunRound, IsAbandonedWhenAllDropOut) {
  const Federation parts = federation(
      "task = {name = \"quadratic\", clients = 9, start = 3}\nplanner = {cohort = 4, dropout = 1}\n"
      "strategy = \"scaffold\"\n");
  const Played played = play(parts, 2, {2, 1});
  for (const std::size_t round : {0, 1}) {
    expect_abandoned(played, round, parts.task->initial_parameters({}));
    EXPECT_EQ(played.records[round].dropouts, 4);
    EXPECT_EQ(played.records[round].version, Version{0});
    EXPECT_EQ(played.records[round].bytes_up, 0);
  }
  EXPECT_TRUE(played.memory.empty());
}

TEST(RunRound, IsAbandonedBelowTheMinimum) {
  const std::string toml = "task = {name = \"quadratic\", clients = 9}\nplanner = {cohort = 4, minimum = ";
  EXPECT_EQ(play(federation(toml + "4}\n"), 1).records[0].verdict, Verdict::commit);
  const Played played = play(federation(toml + "5}\n"), 1);
  expect_abandoned(played, 0, at::zeros_like(played.last()));
  EXPECT_EQ(played.records[0].dropouts, 4);
}

// --- Versions in flight ----------------------------------------------------------------------------------------------

// Clients return their download; the server changes its state in place: extra = x, then x = 2 x + 1.
class Changing final : public Strategy {
 public:
  std::vector<Channel> channels(const ParameterLayout& layout) const override {
    return {{.name = "params", .size = layout.size, .weighting = Weighting::uniform},
            {.name = "extra", .size = layout.size, .weighting = Weighting::uniform}};
  }
  void init(State& state, const ServerContext&) const override {
    state.put("extra", at::zeros_like(state.params()).sub_(1));
    state.put("seen", at::zeros_like(state.params()));
    state.put("seen extra", at::zeros_like(state.params()));
  }
  void broadcast(const State& state, std::int32_t group, Message& message) const override {
    Strategy::broadcast(state, group, message);
    message.tensors.emplace("extra", state.tensor("extra"));
  }
  UpdateBlock client_update(const Message& server, ClientBlock& block) const override {
    block.train(server.params());
    const auto rows = [&](const at::Tensor& tensor) { return Rows(tensor.expand({block.count(), -1}).clone()); };
    return {{rows(server.params()), rows(server.tensors.at("extra"))}};
  }
  void server_update(State& state, std::span<const Aggregate> groups, const ServerContext&) const override {
    state.tensor("seen").copy_(groups[0].mean(0));
    state.tensor("seen extra").copy_(groups[0].mean(1));
    state.tensor("extra").copy_(state.params());
    state.params().mul_(2).add_(1);
  }
};

// x is 0, 1, 3, 7, 15 in versions 0 to 4; extra is -1, 0, 1, 3, 7. Clients start in rounds 1 and 2 and arrive later.
TEST(RunRound, TrainsFromTheVersionThatWasDownloaded) {
  const auto late = [](State& state, const World& world) {
    RoundPlan plan{.time = world.now + Ticks{1}};
    const auto now = [&](std::int64_t client) {
      plan.starts.push_back(start(client, state, world));
      return plan.starts.back().id;
    };
    switch (world.round) {
      case 1:  // participations 0, 1, 2; 0 and 1 stay in flight
        now(0);
        now(1);
        plan.commits = {{now(2)}};
        break;
      case 2:  // 3, 4, 5; 4 and 5 stay in flight
        plan.commits = {{now(3)}};
        now(4);
        now(5);
        break;
      case 3:  // versions 0 and 1 together
        plan.commits = {{ParticipationId{0}}, {ParticipationId{4}}};
        break;
      case 4:
        plan.commits = {{ParticipationId{1}}};
        plan.dropouts = {ParticipationId{5}};
        break;
      default:
        plan.commits = {{now(6)}};
    }
    return plan;
  };
  const std::vector<double> seen = {0, 1, 0.5, 0, 15}, extra = {-1, 0, -0.5, -1, 7};
  for (const Hands hands : {Hands{1, 1}, Hands{2, 1}, Hands{3, 2}}) {
    const Played played =
        play(scripted(clients(7, 2), std::make_shared<Changing>(), late, 8), 5, hands,
             [&](const FederationState& state, const Communicator&) {
               const std::size_t round = state.round - 1;
               expect_close(state.strategy().tensor("seen"), {seen[round], seen[round]}, 1e-12, "params seen");
               expect_close(state.strategy().tensor("seen extra"), {extra[round], extra[round]}, 1e-12, "extra seen");
               std::set<Version> needed;
               for (const auto& [id, p] : state.in_flight) needed.insert(p.version);
               EXPECT_EQ(state.messages.size(), needed.size()) << "versions kept after round " << state.round;
               for (const Version version : needed) EXPECT_TRUE(state.messages.contains(version));
             });
    EXPECT_EQ(numbers(played.last())[0], 31);
    EXPECT_EQ(value(row_of(played.records[2], 0).participation.version), 0);
    EXPECT_EQ(value(row_of(played.records[2], 4).participation.version), 1);
    EXPECT_EQ(played.records[3].dropouts, 1);
  }
}

// F(x) = (x - 1)^2 / 2 from x = 0, one step, rate 0.4 in round 1 and 0.2 in round 2. Client 1 is committed in round 1:
// x = 0.4. Client 0 started then too and arrives in round 2: its step is from version 0 with the rate of round 1.
TEST(RunRound, TrainsWithTheRateOfTheStartingRound) {
  Federation parts = federation(
      "[task]\nname = \"quadratic\"\ncurvatures = [1, 1]\noptima = [1, 1]\nprecision = \"float64\"\n"
      "[local]\nsteps = 1\nrate = 0.4\nschedule = \"exponential\"\ndecay = 0.5\n[planner]\ncohort = 2\n");
  parts.planner = std::make_shared<Planned>([](State& state, const World& world) {
    RoundPlan plan{.time = world.now + Ticks{1}};
    if (world.round == 1) {
      plan.starts = {start(0, state, world), start(1, state, world)};
      plan.commits = {{plan.starts[1].id}};
    } else {
      plan.commits = {{ParticipationId{0}}};
    }
    return plan;
  });
  const Played played = play(parts, 2, {2, 1});
  EXPECT_NEAR(numbers(played.params[0])[0], 0.4, 1e-9);
  EXPECT_NEAR(numbers(played.params[1])[0], 0.8, 1e-9);
}

// --- Memory ----------------------------------------------------------------------------------------------------------

TEST(RunRound, BringsMemoryBackInLaterRounds) {
  const std::string toml =
      "task = {name = \"quadratic\", clients = 30, precision = \"float64\"}\nplanner = {cohort = 8, dropout = 0.2}\n"
      "local = {block = 3}\n";
  std::set<std::string> bits;
  for (const Hands hands : {Hands{1, 1}, Hands{2, 1}, Hands{3, 2}, Hands{5, 1}}) {
    Federation parts = federation(toml);
    parts.strategy = std::make_shared<Remembering>();
    const Played played = play(parts, 12, hands);
    std::map<std::int64_t, double> expected;
    for (const RoundRecord& record : played.records) {
      for (const ClientRow& row : record.clients) {
        if (row.figures.accepted) ++expected[value(row.participation.client)];
      }
    }
    EXPECT_GT(std::ranges::max_element(expected, {}, [](auto& e) { return e.second; })->second, 2);
    EXPECT_LT(expected.size(), 30U);  // some client was never trained and has no memory
    EXPECT_EQ(visits(played), expected);
    bits.insert(played.bits);
  }
  EXPECT_EQ(bits.size(), 1U);
}

// Keeps the id of the client's last participation.
class LastVisit final : public Strategy {
 public:
  std::vector<MemorySlot> memory(const ParameterLayout&, std::span<const Channel>) const override {
    return {{"visit", 1, at::kDouble}};
  }
  UpdateBlock client_update(const Message& server, ClientBlock& block) const override {
    at::Tensor visit = block.recall("visit");
    for (std::int64_t k = 0; k < block.count(); ++k) {
      visit[k].fill_(value(block.participations()[k].id));
    }
    block.remember("visit", visit);
    return block.train(server.params()).delta;
  }
  void server_update(State&, std::span<const Aggregate>, const ServerContext&) const override {}
};

// A client that is committed twice in one round, as an asynchronous plan may do, keeps the record that is later in the
// plan's order, whichever ranks trained it.
TEST(RunRound, KeepsTheLaterOfTwoMemories) {
  const auto twice = [](State& state, const World& world) {
    RoundPlan plan{.time = world.now + Ticks{1}};
    for (int attempt = 0; attempt < 2; ++attempt) {
      for (std::int64_t c = 0; c < world.task.clients(); ++c) {
        plan.starts.push_back(start(c, state, world));
        // Either attempt may be longer, so either may be placed first.
        plan.starts.back().fraction = (c + attempt) % 2 == 0 ? 1 : 0.25;
        plan.commits.push_back({plan.starts.back().id});
      }
    }
    return plan;
  };
  const auto task = std::make_shared<UnequalTask>(std::vector<std::int64_t>(10, 200));
  for (const Hands hands : {Hands{1, 1}, Hands{2, 1}, Hands{3, 2}, Hands{5, 1}}) {
    const Played played = play(scripted(task, std::make_shared<LastVisit>(), twice), 1, hands);
    ASSERT_EQ(played.memory.size(), 10U);
    for (const auto& [client, record] : played.memory) {
      EXPECT_EQ(numbers(record[0])[0], 10 + value(client)) << "on " << hands.ranks << " ranks";
    }
  }
}

}  // namespace
}  // namespace shoal
