// Are personal parameters kept by the clients alone, and are the shared ones averaged as if there were no others?
#include <gmock/gmock.h>

#include "sim/nn/layers/avg_pool2d.hpp"
#include "sim/nn/layers/batch_norm.hpp"
#include "sim/nn/layers/conv2d.hpp"
#include "sim/nn/layers/linear.hpp"
#include "sim/nn/layers/relu.hpp"
#include "sim/nn/layers/residual.hpp"
#include "sim/round/personal.hpp"
#include "tests/sim/round/rounds.hpp"
#include "tests/sim/round/small_federation.hpp"

namespace shoal {
namespace {

using namespace shoal::test;

// Clients who all take part, with full batches.
std::string everyone(int clients, const std::string& strategy, const std::string& local) {
  return fmt::format(
      "data = {{name = \"optdigits\", test = 0.2}}\nmodel = {{name = \"mlp\", widths = [7]}}\n"
      "partition = {{name = \"dirichlet\", clients = {}, minimum = 10}}\nplanner = {{cohort = {}}}\nstrategy = {}\n"
      "[local]\nbatch = 0\nrate = 0.2\n{}\n",
      clients, clients, strategy, local);
}

std::string six(const std::string& strategy, const std::string& local = "") {
  return everyone(6, strategy, "steps = 3\n" + local);
}

std::string fed_per(const std::string& personal) {
  return fmt::format("{{name = \"fed_per\", personal = {}}}", personal);
}

// Whatever is shared: d of six clients by a loop of one client after the other, with autograd.
TEST(FedPer, AveragesTheSharedPartAndKeepsTheRest) {
  for (const std::string personal : {"[\"head\"]", "[\"dense1\"]", "[\"bias\"]"}) {
    const Federation parts = federation(six(fed_per(personal)));
    const auto& task = dynamic_cast<const SupervisedTask&>(*parts.task);
    const ParameterLayout& layout = task.layout();
    at::Tensor shared = at::ones({layout.size});
    for (const Parameter& p : layout.parameters) {
      const bool own = personal == "[\"bias\"]" ? p.name.ends_with("bias")
                                                : p.name.starts_with(personal == "[\"head\"]" ? "dense2" : "dense1");
      if (own) shared.narrow(0, p.offset, p.size).zero_();
    }
    const at::Tensor is_shared = shared.to(at::kBool), is_own = is_shared.logical_not();

    const at::Tensor start = task.initial_parameters(random_key(parts.seed, "model/initial_parameters"));
    at::Tensor server = start.clone();
    std::vector<at::Tensor> models(6, start);
    const Scores scores = [](const Parameters& p, const at::Tensor& x) { return dense_scores(p, 0, x); };
    for (int round = 1; round <= 3; ++round) {
      at::Tensor sum = at::zeros({layout.size}, at::kDouble);
      std::int64_t examples = 0;
      for (std::int64_t k = 0; k < 6; ++k) {
        const at::Tensor from = at::where(is_shared, server, models[k]);
        const ReferenceFit fit = reference_fit(task, scores, participation(k, 1), parts.local->at(round), from, {});
        models[k] = from + fit.delta;
        sum += fit.delta.to(at::kDouble) * task.work(ClientId{k}).examples;
        examples += task.work(ClientId{k}).examples;
      }
      server = at::where(is_shared, server + (sum / examples).to(at::kFloat), server);
    }

    const Played played = play(parts, 3);
    EXPECT_LT(distance(played.last() - start, server - start), 2e-5) << personal;
    EXPECT_TRUE(at::equal(played.last().masked_select(is_own), start.masked_select(is_own)));
    ASSERT_EQ(played.memory.size(), 6U);
    for (const auto& [client, record] : played.memory) {
      const at::Tensor want = models[value(client)].masked_select(is_own), began = start.masked_select(is_own);
      EXPECT_LT(distance(record[0] - began, want - began), 2e-5) << personal << ", client " << value(client);
    }
  }
}

TEST(FedPer, WithoutPersonalParametersIsFedAvgInBits) {
  for (const std::string local : {"", "block = 3\nmomentum = 0.9\n"}) {
    const Played none = play(federation(six(fed_per("[]"), local)), 3);
    EXPECT_EQ(none.bits, play(federation(six("\"fed_avg\"", local)), 3).bits);
    EXPECT_NE(none.bits, play(federation(six(fed_per("[\"head\"]"), local)), 3).bits);
  }
}

TEST(FedPer, WithNothingSharedIsLocalTrainingInBits) {
  const Played all = play(federation(six(fed_per("[\"dense\"]"))), 3),
               local = play(federation(six("\"local_only\"")), 3);
  EXPECT_TRUE(at::equal(all.last(), local.last()));
  ASSERT_EQ(all.memory.size(), local.memory.size());
  for (const auto& [client, record] : all.memory) EXPECT_TRUE(at::equal(record[0], local.memory.at(client)[0]));
}

// 64 x 7 + 7 parameters are shared, 7 x 10 + 10 are not.
TEST(FedPer, SendsTheSharedPartAlone) {
  const std::int64_t shared = 64 * 7 + 7;
  const Federation parts = federation(six(fed_per("[\"head\"]")));
  ASSERT_EQ(parts.task->layout().size, shared + 7 * 10 + 10);
  EXPECT_EQ(parts.channels()[0].size, shared);
  const Played played = play(parts, 1);
  EXPECT_EQ(played.records[0].bytes_up, 6 * 4 * shared);
  EXPECT_EQ(played.records[0].bytes_down, 6 * 4 * shared);
  EXPECT_THAT(parts.notes(), testing::Contains("fed_per: 80 of 535 parameters are personal"));
  // A stage's part of the message counts as well.
  const auto bytes = [](const std::string& strategy) {
    const Federation clipped = federation(six(strategy + "\nstages = [\"adaptive_clip\"]"));
    return make_message(clipped, FederationState(clipped, 1, 0)).bytes();
  };
  EXPECT_EQ(bytes("\"fed_avg\"") - bytes(fed_per("[\"head\"]")), 4 * 80);
}

TEST(FedPer, EvaluatesEachClientsOwnModel) {
  const Federation parts = federation(six(fed_per("[\"head\"]")));
  const auto& task = dynamic_cast<const SupervisedTask&>(*parts.task);
  run_on_threads(1, [&](Communicator& comm) {
    FederationState state(parts, 1, 0);
    Trainers trainers(task, 1);
    for (int round = 0; round < 2; ++round) run_round(parts, state, comm, trainers);
    double loss = 0;
    for (const auto& [client, record] : state.memory.records()) {
      at::Tensor model = state.strategy().params().clone();
      model.narrow(0, 64 * 7 + 7, 80).copy_(record[0]);
      const std::vector<std::int32_t> own = task.holdout().indices(client, "test");
      const at::Tensor scores = dense_scores(leaves(task.layout(), model), 0, features(task.train(), own));
      loss += at::cross_entropy_loss(scores, labels(task.train(), own)).item<double>() / 6;
    }
    EXPECT_NEAR(evaluate_personal(parts, state, "test", 6, comm, trainers).loss, loss, 1e-5);
  });
}

TEST(FedPer, HasTheSameBitsOnAnyRanks) {
  for (const std::string local : {"block = 1", "block = 4"}) {
    const Federation parts = federation(six(fed_per("[\"head\"]"), local));
    const Played one = play(parts, 3);
    for (const Hands hands : {Hands{1, 2}, Hands{2, 1}, Hands{3, 2}, Hands{5, 1}}) {
      EXPECT_EQ(play(parts, 3, hands).bits, one.bits);
    }
  }
}

TEST(FedPer, SaysWhichParametersThereAre) {
  const auto error = [&] {
    try {
      federation(six(fed_per("[\"gate\"]")));
    } catch (const UserError& error) {
      return std::string(error.what());
    }
    return std::string("accepted");
  };
  EXPECT_THAT(error(), testing::AllOf(testing::HasSubstr("'gate'"), testing::HasSubstr("dense2.bias")));
}

// --- FedBN: the parameters and statistics of batch norm are personal -------------------------------------------------

// A residual block with batch norm, on 8 clients with images of their own brightness.
Federation fed_bn(const std::string& local) {
  Federation parts = federation(everyone(8, "\"fed_avg\"", local));
  const std::string personal = "name = \"fed_per\"\npersonal = [\"norm\", \"buffer\"]\n";
  parts.strategy = make_part<Strategy>("strategy", "", Settings::parse(personal, "test.toml"));
  Examples images = random_examples({2, 6, 6}, 3, 8 * 12, 1);
  for (std::size_t i = 0; i < images.floats.size(); ++i) {
    const std::size_t client = i / (12 * 72);
    images.floats[i] += 0.5F * client;
  }
  auto data = std::make_shared<Dataset>();
  data->train = stored(std::move(images));
  Network path({4, 6, 6});
  path.add(layers::conv2d(4, 3, 1)).add(layers::batch_norm());
  Network network({2, 6, 6});
  network.add(layers::conv2d(4, 3, 1)).add(layers::batch_norm()).add(layers::relu());
  network.add(layers::residual(std::move(path))).add(layers::relu()).add(layers::global_avg_pool2d());
  network.add(layers::linear(3));
  parts.task = std::make_shared<SupervisedTask>(data, std::make_unique<Consecutive>(std::vector<std::int64_t>(8, 12)),
                                                std::move(network), HoldoutShares(), 7);
  return parts;
}

TEST(FedBn, KeepsStatisticsWithEachClient) {
  const Federation parts = fed_bn("steps = 3");
  const ParameterLayout& layout = parts.task->layout();
  const Played played = play(parts, 2);
  const std::vector<std::string> patterns = {"norm", "buffer"};
  std::int64_t shared = 0;
  for (const Range& range : layout.without(layout.ranges(patterns))) shared += range.size;
  EXPECT_EQ(shared, 2 * 4 * 9 + 4 + 4 * 4 * 9 + 4 + 4 * 3 + 3);
  EXPECT_EQ(parts.channels()[0].size, shared);
  const at::Tensor start = parts.task->initial_parameters(random_key(parts.seed, "model/initial_parameters"));
  for (const Range& range : layout.ranges(patterns)) {
    EXPECT_TRUE(at::equal(played.last().narrow(0, range.first, range.size), start.narrow(0, range.first, range.size)));
  }
  for (const auto& [client, record] : played.memory) {
    for (const auto& [other, theirs] : played.memory) {
      if (other != client) {
        EXPECT_FALSE(at::equal(record[0], theirs[0]));
      }
    }
  }
}

// After one step, the running mean of the first norm is a tenth of the mean of the first convolution's values.
TEST(FedBn, MeasuresEachClientsOwnExamples) {
  const Federation parts = fed_bn("steps = 1");
  const auto& task = dynamic_cast<const SupervisedTask&>(*parts.task);
  const std::vector<Parameter>& p = task.layout().parameters;
  ASSERT_EQ(p[4].name, "norm1.running_mean");
  const at::Tensor start = task.initial_parameters(random_key(parts.seed, "model/initial_parameters"));
  const auto part = [&](std::size_t i) { return start.narrow(0, p[i].offset, p[i].size).view(p[i].shape); };
  const Played played = play(parts, 1);
  ASSERT_EQ(played.memory.size(), 8U);
  for (const auto& [client, record] : played.memory) {
    const at::Tensor x = features(task.train(), task.holdout().indices(client, "train"));
    const at::Tensor mean = at::conv2d(x, part(0), part(1), 1, 1).mean({0, 2, 3});
    // Weight and bias of the first norm are the first personal values.
    EXPECT_LT(distance(record[0].narrow(0, 8, 4), 0.1 * mean), 1e-5) << value(client);
  }
}

TEST(FedBn, DoesNotDependOnTheBlock) {
  const std::string stacked = "steps = 3\nblock = 8\nform = \"stacked\"";
  const Played alone = play(fed_bn("steps = 3"), 3), together = play(fed_bn(stacked), 3);
  EXPECT_NE(together.bits, alone.bits);  // otherwise nothing was stacked
  EXPECT_LT(distance(together.last(), alone.last()), 1e-5);
  ASSERT_EQ(together.memory.size(), alone.memory.size());
  for (const auto& [client, record] : together.memory) {
    EXPECT_LT(distance(record[0], alone.memory.at(client)[0]), 1e-5) << value(client);
  }
  EXPECT_EQ(play(fed_bn(stacked), 3, {3, 2}).bits, together.bits);
}

}  // namespace
}  // namespace shoal
