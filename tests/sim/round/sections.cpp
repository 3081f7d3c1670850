// Do parts of the same name keep apart their state, memory, message, channels and random draws?

#include <ATen/ops/full.h>

#include "tests/sim/round/rounds.hpp"
#include "tests/sim/round/scripted.hpp"

namespace shoal {
namespace {

using namespace shoal::test;

// Adds its step to a counter in its state and in every client's memory, and sends the counter down and up.
class Counting final : public Stage {
 public:
  explicit Counting(double step) : step_(step) { set_name("counting"); }

  void declare(std::vector<Channel>& all, const ParameterLayout&) const override {
    all.push_back({.name = "count", .size = 1, .weighting = Weighting::uniform, .needs_mean = true});
  }
  std::vector<MemorySlot> memory(const ParameterLayout&, std::span<const Channel>) const override {
    return {{"visits", 1, at::kDouble}};
  }
  void init(State& state, const ServerContext& context) const override {
    state.put("count", at::full({1}, step_, at::kDouble));
    state.put("drawn", at::full({1}, RandomStream(context.key, 0).uniform(), at::kDouble));
  }
  void broadcast(const State& state, std::int32_t, Message& message) const override {
    message.tensors.emplace("count", state.tensor("count"));
  }
  void client_side(const Message& message, ClientBlock& clients, UpdateBlock& update,
                   const PartContext& context) const override {
    clients.remember("visits", clients.recall("visits") + step_);
    const at::Tensor& count = context.received(message, "count");
    update.channels[context.own("count")] = Rows(count.expand({clients.count(), 1}).clone());
  }
  void server_side(State& state, Aggregate& group, const ServerContext& context) const override {
    EXPECT_EQ(group.mean(context.own("count")).item<double>(), state.tensor("count").item<double>());
    EXPECT_EQ(context.feedback.size(), 3U);
    state.tensor("count").add_(step_);
    state.put("drawn", at::full({1}, RandomStream(context.key, 0).uniform(), at::kDouble));
  }

 private:
  double step_;
};

Federation counting() {
  const auto strategy = std::make_shared<Scripted>();
  strategy->declared = {{.name = "a", .weighting = Weighting::uniform}};
  strategy->value = [](const Participation&, std::size_t) { return 1.0; };
  Federation parts = scripted(std::make_shared<UnequalTask>(3, 1), strategy, all_clients(), 2);
  parts.stages = {std::make_shared<Counting>(1), std::make_shared<Counting>(10)};
  return parts;
}

TEST(Sections, KeepPartsOfOneNameApart) {
  const Federation parts = counting();
  std::set<double> drawn;
  for (const int ranks : {1, 2, 3}) {
    const Played played =
        play(parts, 4, {.ranks = ranks, .threads = 1}, [&](const FederationState& state, const Communicator& comm) {
          if (comm.rank() > 0 || ranks > 1) return;
          for (const double step : {1.0, 10.0}) {
            const State& section = state.section(fmt::format("stage/{}/counting", step == 1 ? 1 : 2));
            EXPECT_EQ(section.tensor("count").item<double>(), step * (1 + state.round));
            EXPECT_TRUE(drawn.insert(section.tensor("drawn").item<double>()).second);
          }
        });
    ASSERT_EQ(played.memory.size(), 3U);
    for (const auto& [client, record] : played.memory) {
      EXPECT_EQ(record.at(0).item<double>(), 4);
      EXPECT_EQ(record.at(1).item<double>(), 40);
    }
  }
}

TEST(Sections, NameTheMemoryOfAPart) {
  const FederationState state(counting(), 1, 0);
  ASSERT_EQ(state.memory.slots().size(), 2U);
  EXPECT_EQ(state.memory.slots()[0].name, "stage/1/counting/visits");
  EXPECT_EQ(state.memory.slots()[1].name, "stage/2/counting/visits");
}

TEST(Sections, DrawDifferentNumbersInInit) {
  const FederationState state(counting(), 1, 0);
  const auto drawn = [&](const char* section) { return state.section(section).tensor("drawn").item<double>(); };
  EXPECT_NE(drawn("stage/1/counting"), drawn("stage/2/counting"));
}

TEST(Sections, ExcludeClientsByTheirScore) {
  Federation parts = counting();
  FederationState state(parts, 1, 0);
  state.board.set(Board::excluded, ClientId{1}, 1);
  state.board.set(Board::excluded, ClientId{2}, 0);
  const World world = make_world(parts, state, parts.local->at(1));
  EXPECT_TRUE(world.may_start(ClientId{0}));
  EXPECT_FALSE(world.may_start(ClientId{1}));
  EXPECT_TRUE(world.may_start(ClientId{2}));
}

}  // namespace
}  // namespace shoal
