// Does a rule that asks for it get the update that the server makes on examples of its own?
#include <gmock/gmock.h>

#include "sim/nn/layers/linear.hpp"
#include "sim/nn/layers/relu.hpp"
#include "tests/sim/round/rounds.hpp"
#include "tests/sim/round/scripted.hpp"
#include "tests/sim/round/small_federation.hpp"

namespace shoal {
namespace {

using namespace shoal::test;

constexpr std::int64_t clients_hold = 40, server_holds = 21;

std::shared_ptr<const SupervisedTask> task_of(std::vector<std::int32_t> server) {
  auto data = std::make_shared<Dataset>();
  data->train = stored(random_examples({6, 1, 1}, 4, clients_hold + server_holds, 1));
  Network network({6, 1, 1});
  network.add(layers::linear(5)).add(layers::relu()).add(layers::linear(4));
  return std::make_shared<SupervisedTask>(data, std::make_unique<Consecutive>(std::vector<std::int64_t>{10, 18, 12}),
                                          network, HoldoutShares(), 7, TaskExtras{.server = std::move(server)});
}

std::vector<std::int32_t> of_server() {
  std::vector<std::int32_t> positions(server_holds);
  std::iota(positions.begin(), positions.end(), clients_hold);
  return positions;
}

// Keeps the reference in its state, and the rows as they are.
class Keeping final : public Rule {
 public:
  explicit Keeping(bool wants = true) : wants_(wants) { set_name("keeping"); }
  bool wants_reference() const override { return wants_; }
  void apply(RowSet&, State& state, const RuleContext& context) const override {
    state.integer("asked") += context.reference != nullptr;
    if (context.reference != nullptr) state.put("reference", *context.reference);
  }

 private:
  bool wants_;
};

Federation keeping(std::shared_ptr<const Strategy> strategy, const std::string& local) {
  Federation parts = scripted(task_of(of_server()), std::move(strategy));
  parts.local = std::make_shared<LocalTraining>(Settings::parse(local, "test.toml"));
  parts.aggregator = part<Aggregator>("aggregator", "kept_rows");
  parts.rules = {std::make_shared<Keeping>()};
  return parts;
}

// Gradient descent on all examples of the server with autograd.
at::Tensor descended(const SupervisedTask& task, const at::Tensor& start, int steps, double rate) {
  const std::vector<std::int32_t> own = of_server();
  at::Tensor params = start.clone();
  for (int step = 0; step < steps; ++step) {
    const at::AutoGradMode with_gradients(true);
    const Parameters parameters = leaves(task.layout(), params);
    at::cross_entropy_loss(dense_scores(parameters, 0, features(task.train(), own)), labels(task.train(), own))
        .backward();
    Parameters gradients;
    for (const at::Tensor& p : parameters) gradients.push_back(p.grad());
    params = params - rate * flat(gradients);
  }
  return params - start;
}

// The references and models of three rounds.
struct Rounds {
  std::vector<at::Tensor> references, models;
};

Rounds played(const Federation& parts, Hands hands = {}) {
  Rounds rounds{.references = {}, .models = {FederationState(parts, 1, 0).strategy().params().clone()}};
  const auto after = [&](const FederationState& state, const Communicator& comm) {
    if (comm.rank() != 0) return;
    const State& own = state.section("rule/1/keeping");
    rounds.references.push_back(own.tensor("reference"));
    rounds.models.push_back(state.strategy().params().clone());
  };
  play(parts, 3, hands, after);
  return rounds;
}

const std::string whole_batches = "epochs = 4\nbatch = 0\nrate = 0.5";

TEST(Reference, IsTrainedOnTheServersExamples) {
  const Federation parts = keeping(part<Strategy>("strategy", "fed_avg"), whole_batches);
  const auto& task = dynamic_cast<const SupervisedTask&>(*parts.task);
  const Rounds rounds = played(parts);
  for (int r = 0; r < 3; ++r) {
    EXPECT_LT(distance(rounds.references[r], descended(task, rounds.models[r], 4, 0.5)), 1e-5) << "round " << r;
  }
  EXPECT_GT(distance(rounds.references[1], rounds.references[0]), 1e-2);
}

// The channels of a row that need no mean, after the stages.
TEST(Reference, HasTheLayoutOfARow) {
  Federation parts = keeping(part<Strategy>("strategy", "scaffold"), whole_batches);
  const auto& task = dynamic_cast<const SupervisedTask&>(*parts.task);
  parts.stages = {part<Stage>("stage", "adaptive_clip", "initial = 0.01")};
  const Rounds rounds = played(parts);
  const std::int64_t d = task.layout().size;
  ASSERT_EQ(rounds.references[0].numel(), 2 * d);
  const at::Tensor delta = descended(task, rounds.models[0], 4, 0.5);
  EXPECT_LT(distance(rounds.references[0].narrow(0, 0, d), delta * (0.01 / delta.norm())), 1e-5);
  // Without control variates, the change of the control is -delta / (steps rate).
  EXPECT_LT(distance(rounds.references[0].narrow(0, d, d), -delta / (4 * 0.5)), 1e-5);
}

// Batches are drawn anew in each round.
TEST(Reference, HasTheSameBitsOnAnyRanks) {
  const Federation parts = keeping(part<Strategy>("strategy", "fed_avg"), "epochs = 2\nbatch = 4\nrate = 0.1");
  const Rounds one = played(parts);
  for (const Hands hands : {Hands{1, 3}, Hands{2, 1}, Hands{3, 2}}) {
    const Rounds many = played(parts, hands);
    for (int r = 0; r < 3; ++r) EXPECT_TRUE(at::equal(many.references[r], one.references[r])) << hands.ranks;
  }
}

TEST(Reference, IsMadeForRulesThatWantIt) {
  Federation parts = keeping(part<Strategy>("strategy", "fed_avg"), whole_batches);
  parts.rules = {std::make_shared<Keeping>(false), std::make_shared<Keeping>()};
  play(parts, 2, {}, [](const FederationState& state, const Communicator&) {
    EXPECT_EQ(state.section("rule/1/keeping").integers().at("asked"), 0);
    EXPECT_EQ(state.section("rule/2/keeping").integers().at("asked"), state.round);
  });
}

TEST(Reference, AbandonsTheRoundIfItDiverges) {
  Federation parts = keeping(part<Strategy>("strategy", "fed_avg"), "epochs = 3\nbatch = 0\nrate = 1e30");
  const Played abandoned = play(parts, 1);
  EXPECT_EQ(abandoned.records[0].verdict, Verdict::abandoned);
  EXPECT_THAT(abandoned.records[0].reason, testing::HasSubstr("not finite"));
}

TEST(Reference, NeedsExamplesOfTheServer) {
  const auto refusal_of = [](const Federation& of) {
    try {
      of.check();
    } catch (const UserError& error) {
      return std::string(error.what());
    }
    return std::string("accepted");
  };
  Federation parts = keeping(part<Strategy>("strategy", "fed_avg"), whole_batches);
  EXPECT_EQ(refusal_of(parts), "accepted");
  parts.strategy = part<Strategy>("strategy", "ifca");
  EXPECT_THAT(refusal_of(parts), testing::HasSubstr("has 2 groups"));
  parts.strategy = part<Strategy>("strategy", "fed_avg");
  parts.task = task_of({});
  EXPECT_THAT(refusal_of(parts), testing::HasSubstr("Set 'server' in [data]"));
}

}  // namespace
}  // namespace shoal
