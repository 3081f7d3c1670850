// Local training by the stacked engine compared with a plain autograd loop, alone and in blocks.
#include "sim/task/stacked_trainer.hpp"

#include <gtest/gtest.h>

#include <cmath>

#include "sim/nn/layers/conv2d.hpp"
#include "sim/nn/layers/flatten.hpp"
#include "sim/nn/layers/linear.hpp"
#include "sim/nn/layers/max_pool2d.hpp"
#include "sim/nn/layers/relu.hpp"
#include "tests/sim/round/small_federation.hpp"
#include "tests/sim/task/figures.hpp"

namespace shoal {
namespace {

using test::column;
using test::Parameters;
using test::participation;

// Sizes that make partial batches, one batch, less than one, one example, none, and more than a gradient's chunk.
const std::vector<std::int64_t> sizes{23, 10, 7, 1, 30, 0, 150};
constexpr double close = 1e-5;  // relative to the largest change: float32 sums in another order

Network small_network() {
  Network network({2, 6, 6});
  network.add(layers::conv2d(4, 3, 1))
      .add(layers::relu())
      .add(layers::max_pool2d(2))
      .add(layers::flatten())
      .add(layers::linear(12))
      .add(layers::relu())
      .add(layers::linear(5));
  return network;
}

at::Tensor small_scores(const Parameters& p, const at::Tensor& x) {
  return test::dense_scores(p, 2, at::max_pool2d(at::relu(at::conv2d(x, p[0], p[1], 1, 1)), 2));
}

SupervisedTask small_task(HoldoutShares shares = {}, std::uint64_t seed = 7) {
  auto data = std::make_shared<Dataset>();
  data->train = stored(test::random_examples({2, 6, 6}, 5, 221, 1));
  data->test = stored(test::random_examples({2, 6, 6}, 5, 600, 2));
  return {data, std::make_unique<test::Consecutive>(sizes), small_network(), shares, seed};
}

at::Tensor start_of(const Task& task, std::uint64_t seed = 1) {
  return task.initial_parameters(random_key(seed, "model/initial_parameters"));
}

struct Outcomes {
  at::Tensor delta;
  std::vector<double> loss;
  std::vector<std::int64_t> steps;
};

Outcomes fit(Trainer& trainer, const std::vector<Participation>& block, const LocalSettings& local,
             const at::Tensor& start, const Correction& correction = {}) {
  trainer.open(block, local);
  const LocalResult result = trainer.fit(start, correction);
  return {result.delta.dense().clone(), column(&ClientFigures::loss, result), column(&ClientFigures::steps, result)};
}

Outcomes fit(const Task& task, const std::vector<Participation>& block, const LocalSettings& local,
             const at::Tensor& start, const Correction& correction = {}) {
  const auto trainer = task.trainer();
  return fit(*trainer, block, local, start, correction);
}

struct Named {
  std::string name;
  LocalSettings local;
};

std::vector<Named> variants() {
  std::vector<Named> out(9);
  for (Named& variant : out) variant.local.rate = 0.1;
  out[0].name = "plain";
  out[1] = {"momentum", out[1].local};
  out[1].local.momentum = 0.9;
  out[2] = {"nesterov", out[1].local};
  out[2].local.nesterov = true;
  out[3].name = "weight decay";
  out[3].local.weight_decay = 0.05;
  out[4] = {"nesterov with weight decay", out[2].local};
  out[4].local.weight_decay = 0.05;
  out[5].name = "three epochs";
  out[5].local.epochs = 3;
  out[6].name = "steps through epochs";
  out[6].local.steps = 8;
  out[6].local.batch = 4;
  out[7].name = "full batch";
  out[7].local.batch = 0;
  out[7].local.epochs = 4;
  out[8] = {"full batch with momentum", out[7].local};
  out[8].local.momentum = 0.9;
  for (Named& variant : out) variant.local.form = BlockForm::stacked;
  return out;
}

void expect_reference(const SupervisedTask& task, const Participation& who, const LocalSettings& local,
                      const Correction& correction, const Outcomes& got, std::int64_t row, const std::string& what) {
  const test::ReferenceFit want = test::reference_fit(task, small_scores, who, local, start_of(task), correction);
  EXPECT_LT(test::distance(got.delta[row], want.delta), close) << what << ", client " << value(who.client);
  EXPECT_NEAR(got.loss[row], want.loss, close * want.loss) << what << ", client " << value(who.client);
  EXPECT_EQ(got.steps[row], want.steps) << what << ", client " << value(who.client);
}

const std::vector<Participation> ragged{participation(0, 3), participation(4, 9), participation(2, 1),
                                        participation(3, 4), participation(1, 12, 0.4)};

TEST(StackedTrainer, OneClientTrainsAsAutogradDoes) {
  const SupervisedTask task = small_task();
  for (const Named& variant : variants()) {
    for (const Participation& who :
         {participation(0, 3), participation(1, 5), participation(3, 0), participation(4, 2, 0.4)}) {
      expect_reference(task, who, variant.local, {}, fit(task, {who}, variant.local, start_of(task)), 0, variant.name);
    }
  }
}

TEST(StackedTrainer, RaggedBlocksTrainAsAutogradDoes) {
  const SupervisedTask task = small_task();
  for (const Named& variant : variants()) {
    const Outcomes got = fit(task, ragged, variant.local, start_of(task));
    for (std::size_t k = 0; k < ragged.size(); ++k) {
      expect_reference(task, ragged[k], variant.local, {}, got, k, variant.name);
    }
  }
}

TEST(StackedTrainer, CorrectionsChangeTheGradient) {
  const SupervisedTask task = small_task();
  const at::Tensor anchor = start_of(task, 5), shift = 0.1 * start_of(task, 6);
  std::vector<Correction> corrections(3);
  corrections[0].pull = 0.3;
  corrections[0].anchor = anchor;
  corrections[1].shift = shift;
  corrections[2] = corrections[0];
  corrections[2].shift = shift;
  for (std::size_t c = 0; c < corrections.size(); ++c) {
    for (const std::size_t v : {0U, 4U}) {
      const Named variant = variants()[v];
      const std::string what = variant.name + ", correction " + std::to_string(c);
      const Outcomes alone = fit(task, {ragged[0]}, variant.local, start_of(task), corrections[c]);
      expect_reference(task, ragged[0], variant.local, corrections[c], alone, 0, what);
      const Outcomes block = fit(task, ragged, variant.local, start_of(task), corrections[c]);
      for (std::size_t k = 0; k < ragged.size(); ++k) {
        expect_reference(task, ragged[k], variant.local, corrections[c], block, k, what);
      }
    }
  }
}

TEST(StackedTrainer, StartAndCorrectionsMayDifferByClient) {
  const SupervisedTask task = small_task();
  std::vector<at::Tensor> starts, anchors, shifts;
  for (std::uint64_t k = 0; k < ragged.size(); ++k) {
    starts.push_back(start_of(task, 20 + k));
    anchors.push_back(start_of(task, 30 + k));
    shifts.push_back(0.1 * start_of(task, 40 + k));
  }
  LocalSettings local;
  local.form = BlockForm::stacked;
  const auto correction = [](const at::Tensor& anchor, const at::Tensor& shift) {
    Correction out;
    out.pull = 0.2;
    out.anchor = anchor;
    out.shift = shift;
    return out;
  };
  const Outcomes block = fit(task, ragged, local, at::stack(starts), correction(at::stack(anchors), at::stack(shifts)));
  for (std::size_t k = 0; k < ragged.size(); ++k) {
    const Outcomes alone = fit(task, {ragged[k]}, local, starts[k], correction(anchors[k], shifts[k]));
    EXPECT_LT(test::distance(block.delta[k], alone.delta[0]), close);
  }
}

TEST(StackedTrainer, RepeatsItsBits) {
  const SupervisedTask task = small_task();
  const auto used = task.trainer();
  fit(*used, {participation(6, 1)}, variants()[4].local, start_of(task, 3));
  used->evaluate(start_of(task, 3), {"test", 0});
  for (const Named& variant : variants()) {
    for (const std::vector<Participation>& block : {ragged, std::vector<Participation>{ragged[0]}}) {
      const Outcomes first = fit(task, block, variant.local, start_of(task));
      const Outcomes again = fit(*used, block, variant.local, start_of(task));
      EXPECT_TRUE(at::equal(first.delta, again.delta)) << variant.name;
      EXPECT_EQ(first.loss, again.loss) << variant.name;
    }
  }
}

TEST(StackedTrainer, NeighboursDoNotMatter) {
  const SupervisedTask task = small_task();
  for (const Named& variant : variants()) {
    if (variant.local.batch == 0) continue;  // a full batch is padded to the largest of the block
    const Outcomes first = fit(task, ragged, variant.local, start_of(task));
    std::vector<Participation> others(ragged.size(), participation(6, 50));
    others[1] = ragged[0];
    others[3] = participation(5, 51);  // has no examples
    const Outcomes moved = fit(task, others, variant.local, start_of(task));
    EXPECT_TRUE(at::equal(first.delta[0], moved.delta[1])) << variant.name;
  }
}

TEST(StackedTrainer, ADivergedNeighbourDoesNotSpread) {
  const SupervisedTask task = small_task();
  LocalSettings local;
  local.form = BlockForm::stacked;
  std::vector<at::Tensor> starts(ragged.size(), start_of(task));
  const Outcomes first = fit(task, ragged, local, at::stack(starts));
  starts[1] = at::full_like(starts[1], std::numeric_limits<float>::quiet_NaN());
  const Outcomes second = fit(task, ragged, local, at::stack(starts));
  EXPECT_FALSE(std::isfinite(second.loss[1]));
  for (const std::int64_t k : {0, 2, 3, 4}) EXPECT_TRUE(at::equal(first.delta[k], second.delta[k]));
}

TEST(StackedTrainer, AClientWithoutExamplesChangesNothing) {
  const SupervisedTask task = small_task();
  for (const std::vector<Participation>& block :
       {std::vector<Participation>{participation(5, 0)}, {participation(5, 0), participation(0, 1)}}) {
    for (const Named& variant : variants()) {
      const Outcomes got = fit(task, block, variant.local, start_of(task));
      EXPECT_EQ(got.delta[0].abs().max().item<double>(), 0) << variant.name;
      EXPECT_EQ(got.loss[0], 0);
      EXPECT_EQ(got.steps[0], 0);
    }
  }
}

TEST(StackedTrainer, ShufflesDependOnTheParticipation) {
  const SupervisedTask task = small_task(), other_seed = small_task({}, 8);
  const LocalSettings local;
  const at::Tensor first = fit(task, {participation(0, 3)}, local, start_of(task)).delta;
  EXPECT_FALSE(at::equal(first, fit(task, {participation(0, 4)}, local, start_of(task)).delta));
  EXPECT_FALSE(at::equal(first, fit(other_seed, {participation(0, 3)}, local, start_of(task)).delta));
}

TEST(StackedTrainer, ComputesGradientsOfTheMeanLoss) {
  const SupervisedTask task = small_task();
  const std::vector<Participation> block{participation(6, 0), participation(1, 0), participation(5, 0)};
  const auto trainer = task.trainer();
  trainer->open(block, {});
  std::vector<at::Tensor> starts;
  for (std::uint64_t k = 0; k < block.size(); ++k) starts.push_back(start_of(task, k));
  for (const at::Tensor& params : {starts[0], at::stack(starts)}) {
    const LocalResult result = trainer->gradient(params);
    for (std::int64_t k = 0; k < 2; ++k) {
      const std::vector<std::int32_t> own = task.holdout().indices(block[k].client, "train");
      const Parameters leaves = test::leaves(task.layout(), params.dim() == 2 ? params[k] : params);
      const at::Tensor loss = at::cross_entropy_loss(small_scores(leaves, test::features(task.train(), own)),
                                                     test::labels(task.train(), own));
      loss.backward();
      Parameters gradients;
      for (const at::Tensor& p : leaves) gradients.push_back(p.grad());
      EXPECT_LT(test::distance(result.delta.dense()[k], test::flat(gradients)), close);
      EXPECT_NEAR(result.figures[k].loss, loss.item<double>(), close);
      EXPECT_EQ(result.figures[k].steps, 1);
    }
    EXPECT_EQ(result.delta.dense()[2].abs().max().item<double>(), 0);
  }
}

TEST(StackedTrainer, ReadsBytesAsFeatures) {
  auto data = std::make_shared<Dataset>();
  data->train = stored(test::random_bytes({2, 6, 6}, 5, 221, 1));
  const SupervisedTask task(data, std::make_unique<test::Consecutive>(sizes), small_network(), {}, 7);
  expect_reference(task, ragged[0], {}, {}, fit(task, {ragged[0]}, {}, start_of(task)), 0, "bytes");
}

}  // namespace
}  // namespace shoal
