// Do groups of clients that the server forms live side by side as if each were a federation of its own?
#include <gmock/gmock.h>

#include <ATen/ops/equal.h>
#include <ATen/ops/zeros_like.h>

#include "tests/sim/round/rounds.hpp"

namespace shoal {
namespace {

using test::federation;
using test::Hands;
using test::play;
using test::Played;

// FedAvg twice: for the clients with even and with odd ids. The odd ones download another tensor, of 3 floats.
class Halves final : public Strategy {
 public:
  std::int32_t groups(const Task&) const override { return 2; }
  std::int32_t group_of(const State&, ClientId client, std::int32_t) const override {
    return static_cast<std::int32_t>(value(client) % 2);
  }
  void init(State& state, const ServerContext&) const override {
    state.put("odd", state.params().clone());
    state.put("more", at::zeros_like(state.params().narrow(0, 0, 3)));
  }
  void broadcast(const State& state, std::int32_t group, Message& message) const override {
    message.tensors.emplace("params", group == 0 ? state.params() : state.tensor("odd"));
    if (group == 1) message.tensors.emplace("more", state.tensor("more"));
  }
  UpdateBlock client_update(const Message& server, ClientBlock& clients) const override {
    for (const Participation& p : clients.participations()) EXPECT_EQ(p.group, server.group);
    return clients.train(server.params()).delta;
  }
  void server_update(State& state, std::span<const Aggregate> groups, const ServerContext&) const override {
    state.params().add_(groups[0].mean());
    state.tensor("odd").add_(groups[1].mean());
  }
};

// The same of one half: the other half counts nothing.
class Half final : public Strategy {
 public:
  explicit Half(std::int64_t odd) : odd_(odd) {}
  std::vector<Channel> channels(const ParameterLayout& layout) const override {
    return {delta_channel(layout, Weighting::real)};
  }
  UpdateBlock client_update(const Message& server, ClientBlock& clients) const override {
    std::vector<double> weights;
    for (const Participation& p : clients.participations()) weights.push_back(value(p.client) % 2 == odd_ ? 1 : 0);
    return {{clients.train(server.params()).delta}, std::move(weights)};
  }
  void server_update(State& state, std::span<const Aggregate> groups, const ServerContext&) const override {
    state.params().add_(groups[0].mean());
  }

 private:
  std::int64_t odd_;
};

Federation with(std::shared_ptr<Strategy> strategy, const std::string& rest) {
  Federation parts = federation(
      "local = {steps = 3, block = 3}\ntask = {name = \"quadratic\", clients = 40, dimension = 7, precision = "
      "\"float64\"}\n" +
      rest);
  strategy->set_name("halves");
  parts.strategy = std::move(strategy);
  parts.check();
  return parts;
}

TEST(Groups, LearnAsIfAlone) {
  const std::string planner = "planner = {cohort = 12, dropout = 0.2}\n";
  const Played both = play(with(std::make_shared<Halves>(), planner), 5);
  const Played even = play(with(std::make_shared<Half>(0), planner), 5);
  const Played odd = play(with(std::make_shared<Half>(1), planner), 5);
  // Weights of real numbers have another unit than examples, so the last bits differ.
  test::expect_close(both.last(), test::numbers(even.last()), 1e-6, "even");
  test::expect_close(both.strategy.tensor("odd"), test::numbers(odd.last()), 1e-6, "odd");
}

TEST(Groups, DownloadTheirOwnMessages) {
  const Played played = play(with(std::make_shared<Halves>(), "planner = {cohort = 12}\n"), 2);
  for (const RoundRecord& record : played.records) {
    std::int64_t down = 0;
    for (const ClientRow& row : record.clients) {
      const std::int64_t odd = value(row.participation.client) % 2;
      EXPECT_EQ(row.participation.group, odd);
      EXPECT_EQ(row.bytes_down, 8 * (7 + 3 * odd));
      down += row.bytes_down;
    }
    EXPECT_EQ(record.bytes_down, down);
  }
}

// Versions in flight belong to groups too.
TEST(Groups, GiveTheSameBitsAsynchronously) {
  const Federation parts = with(std::make_shared<Halves>(),
                                "planner = {name = \"fed_buff\", concurrency = 12, buffer = 5, dropout = 0.2}\n");
  const Played one = play(parts, 8);
  for (const Hands hands : {Hands{2, 1}, Hands{3, 2}, Hands{5, 1}}) EXPECT_EQ(play(parts, 8, hands).bits, one.bits);
}

// Stages, codecs and rules keep a state for each group.
TEST(Groups, HaveTheirOwnParts) {
  const auto parts = [](const std::string& rest) {
    return with(std::make_shared<Halves>(), "planner = {cohort = 14, dropout = 0.2}\n" + rest);
  };
  for (const std::string rest :
       {"stages = [{name = \"adaptive_clip\"}]\n", "codec = {name = \"count_sketch\", columns = 3, keep = 4}\n",
        "rules = [{name = \"centered_clipping\", radius = 0.1}]\n", "aggregator = \"kept_rows\"\n",
        "attack = {name = \"alie\", malicious = 8}\n"}) {
    const Federation composed = parts(rest);
    const Played one = play(composed, 4);
    for (const Hands hands : {Hands{2, 1}, Hands{3, 2}, Hands{5, 1}}) {
      EXPECT_EQ(play(composed, 4, hands).bits, one.bits) << rest << hands.ranks;
    }
  }
  const Played clipped = play(parts("stages = [{name = \"adaptive_clip\", initial = 0.8}]\n"), 4);
  const auto& measures = clipped.records.back().measures;
  EXPECT_NE(measures.at("adaptive_clip.bound"), measures.at("adaptive_clip_group_1.bound"));
  EXPECT_NEAR(test::numbers(play(parts("aggregator = \"float_sum\"\n"), 4).last())[0],
              test::numbers(play(parts(""), 4).last())[0], 1e-9);
}

}  // namespace
}  // namespace shoal
