// Do clients learn towards the prototypes that autograd and means by hand give, and answer by the nearest one?
#include <gmock/gmock.h>

#include "sim/round/personal.hpp"
#include "tests/sim/round/rounds.hpp"
#include "tests/sim/round/small_federation.hpp"

namespace shoal {
namespace {

using namespace shoal::test;

constexpr std::int64_t clients = 5, width = 7, classes = 10;

std::string experiment(const std::string& strategy, const std::string& local = "batch = 0\nsteps = 3\n",
                       int cohort = clients) {
  return fmt::format(
      "data = {{name = \"optdigits\", test = 0.2}}\nmodel = {{name = \"mlp\", widths = [{}]}}\n"
      "partition = {{name = \"dirichlet\", clients = {}, alpha = 0.3, minimum = 10}}\nplanner = {{cohort = {}}}\n"
      "strategy = {}\n[local]\nrate = 0.2\n{}",
      width, clients, cohort, strategy, local);
}

at::Tensor features_of(const Parameters& p, const at::Tensor& x) {
  return at::relu(at::linear(x.flatten(1), p[0], p[1]));
}

// Rounds of all clients with full-batch steps, one client after the other.
struct Direct {
  std::vector<at::Tensor> models;
  at::Tensor prototypes, known;

  Direct(const Federation& parts, int rounds, double lambda, bool by_examples, int steps = 3, double rate = 0.2)
      : prototypes(at::zeros({classes, width})), known(at::zeros({classes})) {
    const auto& task = dynamic_cast<const SupervisedTask&>(*parts.task);
    models.assign(clients, task.initial_parameters(random_key(parts.seed, "model/initial_parameters")));
    for (int round = 0; round < rounds; ++round) {
      at::Tensor sums = at::zeros({classes, width}), weights = at::zeros({classes});
      for (std::int64_t k = 0; k < clients; ++k) {
        const std::vector<std::int32_t> own = task.holdout().indices(ClientId{k}, "train");
        const at::Tensor x = features(task.train(), own), y = labels(task.train(), own);
        for (int step = 0; step < steps; ++step) {
          Parameters p = leaves(task.layout(), models[k]);
          const at::Tensor z = features_of(p, x);
          const at::Tensor distances = at::mse_loss(z, prototypes.index_select(0, y), at::Reduction::None).mean(1);
          const at::Tensor pull = (distances * known.index_select(0, y)).mean();
          (at::cross_entropy_loss(at::linear(z, p[2], p[3]), y) + lambda * pull).backward();
          Parameters gradients;
          for (const at::Tensor& one : p) gradients.push_back(one.grad());
          models[k] = models[k] - rate * flat(gradients);
        }
        const at::Tensor z = features_of(leaves(task.layout(), models[k]), x).detach();
        for (std::int64_t c = 0; c < classes; ++c) {
          const at::Tensor of_class = z.index({y.eq(c)});
          if (of_class.size(0) == 0) continue;
          const double weight = by_examples ? of_class.size(0) : 1;
          sums[c] += weight * of_class.mean(0);
          weights[c] += weight;
        }
      }
      prototypes = at::where(weights.gt(0).unsqueeze(1), sums / weights.unsqueeze(1), prototypes);
      known = weights.gt(0).to(at::kFloat);
    }
  }
};

TEST(FedProto, FollowsAutogradAndMeansByHand) {
  for (const bool by_examples : {true, false}) {
    const Federation parts = federation(experiment(
        fmt::format("{{name = \"fed_proto\", lambda = 2, weights = \"{}\"}}", by_examples ? "examples" : "clients")));
    const Direct want(parts, 3, 2, by_examples);
    const Played played = play(parts, 3);
    EXPECT_LT(distance(played.strategy.tensor("prototypes"), want.prototypes), 2e-5);
    EXPECT_TRUE(at::equal(played.strategy.tensor("known"), want.known));
    const at::Tensor start = parts.task->initial_parameters(random_key(parts.seed, "model/initial_parameters"));
    EXPECT_TRUE(at::equal(played.last(), start));  // the server has no model of its own
    ASSERT_EQ(played.memory.size(), static_cast<std::size_t>(clients));
    for (const auto& [client, record] : played.memory) {
      EXPECT_LT(distance(record[0] - start, want.models[value(client)] - start), 5e-5) << value(client);
    }
  }
}

TEST(FedProto, WithoutThePullIsLocalTrainingInBits) {
  const std::string local = "batch = 5\nepochs = 1\n";
  const Played none = play(federation(experiment("{name = \"fed_proto\", lambda = 0}", local)), 3);
  const Played alone = play(federation(experiment("\"local_only\"", local)), 3);
  const Played pulled = play(federation(experiment("\"fed_proto\"", local)), 3);
  ASSERT_EQ(none.memory.size(), alone.memory.size());
  for (const auto& [client, record] : none.memory) {
    EXPECT_TRUE(at::equal(record[0], alone.memory.at(client)[0]));
    EXPECT_FALSE(at::equal(record[0], pulled.memory.at(client)[0]));
  }
}

// (1, 0) from 1 example and (0, 1) from 3: the paper's mean is (0.25, 0.75), that of the authors' code (0.5, 0.5).
TEST(FedProto, DividesSumsByCounts) {
  ParameterLayout layout;
  layout.add("head.weight", {3, 2});
  State state;
  state.put("params", at::zeros({6}));
  Board board;
  const ServerContext context{.layout = layout, .population = 2, .clients = 2, .round = 1, .board = board};
  const auto strategy = make_part<Strategy>("strategy", "fed_proto", Settings::parse("", "test.toml"));
  strategy->init(state, context);
  // There are 4 examples in all: class 0 has 1 + 3, and class 2 has none.
  Aggregate group{.means = {at::tensor({0.25F, 0.75F, 0.0F, 0.0F, 0.0F, 0.0F}), at::tensor({1.0F, 0.0F, 0.0F})},
                  .weights = {4, 4},
                  .clients = 2};
  strategy->server_update(state, {&group, 1}, context);
  group.means = {at::tensor({0.0F, 0.0F, 1.0F, 2.0F, 0.0F, 0.0F}), at::tensor({0.0F, 0.5F, 0.0F})};
  strategy->server_update(state, {&group, 1}, context);
  const at::Tensor want = at::tensor({0.25F, 0.75F, 2.0F, 4.0F, 0.0F, 0.0F}).view({3, 2});
  EXPECT_TRUE(at::equal(state.tensor("prototypes"), want));
  EXPECT_TRUE(at::equal(state.tensor("known"), at::tensor({1.0F, 1.0F, 0.0F})));
}

TEST(FedProto, AnswersByTheNearestPrototype) {
  const Federation parts = federation(experiment("\"fed_proto\""));
  const auto& task = dynamic_cast<const SupervisedTask&>(*parts.task);
  run_on_threads(1, [&](Communicator& comm) {
    FederationState state(parts, 1, 0);
    Trainers trainers(task, 1);
    // Before there are prototypes, the initial model answers.
    const PersonalEvaluation before = evaluate_personal(parts, state, "test", clients, comm, trainers);
    for (int round = 0; round < 3; ++round) run_round(parts, state, comm, trainers);
    const at::Tensor& prototypes = state.strategy().tensor("prototypes");
    const at::Tensor known = state.strategy().tensor("known").gt(0);
    double accuracy = 0, initial = 0;
    for (const auto& [client, record] : state.memory.records()) {
      const std::vector<std::int32_t> own = task.holdout().indices(client, "test");
      const at::Tensor x = features(task.train(), own), y = labels(task.train(), own);
      const at::Tensor z = features_of(leaves(task.layout(), record[0]), x);
      const at::Tensor distances = at::cdist(z, prototypes).masked_fill(known.logical_not(), 1e9);
      accuracy += distances.argmin(1).eq(y).to(at::kDouble).mean().item<double>() / clients;
      const at::Tensor scores = dense_scores(leaves(task.layout(), state.strategy().params()), 0, x);
      initial += scores.argmax(1).eq(y).to(at::kDouble).mean().item<double>() / clients;
    }
    EXPECT_NEAR(before.accuracy, initial, 1e-12);
    EXPECT_NEAR(evaluate_personal(parts, state, "test", clients, comm, trainers).accuracy, accuracy, 1e-12);
    EXPECT_GT(accuracy, initial);
  });
}

TEST(FedProto, SendsNoWeights) {
  const Federation parts = federation(experiment("\"fed_proto\""));
  const Played played = play(parts, 2);
  for (const RoundRecord& record : played.records) {
    EXPECT_EQ(record.bytes_up, clients * 4 * (classes * width + classes));
    EXPECT_EQ(record.bytes_down, clients * 4 * (classes * width + classes));
  }
}

// The personal evaluation after two rounds.
PersonalEvaluation evaluated(const Federation& parts, Hands hands) {
  PersonalEvaluation seen;
  std::mutex mutex;
  run_on_threads(hands.ranks, [&](Communicator& comm) {
    FederationState state(parts, comm.size(), comm.rank());
    Trainers trainers(*parts.task, hands.threads);
    for (int round = 0; round < 2; ++round) run_round(parts, state, comm, trainers);
    const PersonalEvaluation here = evaluate_personal(parts, state, "test", clients, comm, trainers);
    const std::lock_guard lock(mutex);
    seen = here;
  });
  return seen;
}

TEST(FedProto, HasTheSameBitsOnAnyRanks) {
  const std::string local = "batch = 5\nsteps = 4\nform = \"stacked\"\n";
  const Played alone = play(federation(experiment("\"fed_proto\"", local + "block = 1\n")), 3);
  for (const std::string block : {"block = 1\n", "block = 4\n"}) {
    const Federation parts = federation(experiment("\"fed_proto\"", local + block));
    const Played one = play(parts, 3);
    EXPECT_LT(distance(one.strategy.tensor("prototypes"), alone.strategy.tensor("prototypes")), 2e-5);
    for (const auto& [client, record] : one.memory) {
      EXPECT_LT(distance(record[0], alone.memory.at(client)[0]), 2e-5);
    }
    for (const Hands hands : {Hands{1, 2}, Hands{2, 1}, Hands{3, 2}, Hands{5, 1}}) {
      EXPECT_EQ(play(parts, 3, hands).bits, one.bits);
      const PersonalEvaluation same = evaluated(parts, hands), seen = evaluated(parts, {});
      EXPECT_EQ(same.accuracy, seen.accuracy);
      EXPECT_EQ(same.loss, seen.loss);
    }
  }
}

TEST(FedProto, NeedsLabels) {
  try {
    federation("task = \"quadratic\"\nstrategy = \"fed_proto\"\n");
    ADD_FAILURE() << "accepted";
  } catch (const UserError& error) {
    EXPECT_THAT(error.what(), testing::HasSubstr("Use labels"));
  }
}

}  // namespace
}  // namespace shoal
