// How do a client's results depend on its block? Not at all in turn, by rounding alone if stacked or grouped; never on
// who its neighbours are.
#include <gtest/gtest.h>

#include "sim/nn/layers/conv2d.hpp"
#include "sim/nn/layers/flatten.hpp"
#include "sim/nn/layers/linear.hpp"
#include "sim/nn/layers/max_pool2d.hpp"
#include "sim/nn/layers/relu.hpp"
#include "sim/task/stacked_trainer.hpp"
#include "tests/sim/round/small_federation.hpp"
#include "tests/sim/task/figures.hpp"

namespace shoal {
namespace {

using test::column;
using test::participation;

constexpr double close = 1e-5;  // relative to the largest change: float32 sums in another order

// Sizes that make partial and whole batches, less than a batch, one example and none.
std::vector<std::int64_t> sizes() {
  std::vector<std::int64_t> out;
  for (std::int64_t c = 0; c < 70; ++c) out.push_back(c == 5 ? 0 : 1 + (c * 17) % 34);
  return out;
}

SupervisedTask task_of(Network network) {
  auto data = std::make_shared<Dataset>();
  std::int64_t examples = 0;
  for (const std::int64_t n : sizes()) examples += n;
  data->train = stored(test::random_examples(network.input(), network.output().size(), examples, 1));
  return {data, std::make_unique<test::Consecutive>(sizes()), std::move(network), {}, 7};
}

Network convolutions() {
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

SupervisedTask convolutional() { return task_of(convolutions()); }

// Widths around the vector lengths and below the smallest product that the library hands on.
Network dense(std::int64_t inputs, std::int64_t width) {
  Network network({inputs, 1, 1});
  network.add(layers::linear(width)).add(layers::relu()).add(layers::linear(5));
  return network;
}

at::Tensor start_of(const Task& task) { return task.initial_parameters(random_key(1, "model/initial_parameters")); }

struct Fit {
  at::Tensor change;  // [K, d]
  std::vector<double> loss;
};

Fit fit(const SupervisedTask& task, const std::vector<Participation>& block, const LocalSettings& local,
        const Correction& correction = {}, Workplace place = {}) {
  StackedTrainer trainer(task, place);
  trainer.open(block, local);
  const LocalResult result = trainer.fit(start_of(task), correction);
  return {result.delta.dense().clone(), column(&ClientFigures::loss, result)};
}

std::vector<Participation> clients(std::int64_t first, std::int64_t count) {
  std::vector<Participation> out;
  for (std::int64_t c = first; c < first + count; ++c) out.push_back(participation(c, 100 + c, c % 7 == 3 ? 0.5 : 1));
  return out;
}

LocalSettings settings(BlockForm form, bool momentum = false) {
  LocalSettings local;
  local.form = form;
  local.epochs = 2;
  local.momentum = momentum ? 0.9 : 0;
  local.weight_decay = momentum ? 0.01 : 0;
  return local;
}

const std::vector<BlockForm> forms{BlockForm::in_turn, BlockForm::stacked, BlockForm::grouped};

TEST(Blocks, OneAndSixtyFourClientsAgree) {
  const std::vector<Participation> block = clients(0, 64);
  for (const Network& network : {convolutions(), dense(32, 16)}) {
    const SupervisedTask task = task_of(network);
    for (const BlockForm form : forms) {
      for (const bool momentum : {false, true}) {
        const Fit together = fit(task, block, settings(form, momentum));
        const Fit again = fit(task, block, settings(form, momentum));
        EXPECT_TRUE(at::equal(together.change, again.change)) << name(form);
        EXPECT_EQ(together.loss, again.loss) << name(form);
        for (std::size_t k = 0; k < block.size(); ++k) {
          const Fit alone = fit(task, {block[k]}, settings(form, momentum));
          EXPECT_LT(test::distance(together.change[k], alone.change[0]), close) << name(form);
          EXPECT_NEAR(together.loss[k], alone.loss[0], close * (1 + alone.loss[0])) << name(form);
        }
      }
    }
  }
}

TEST(Blocks, InTurnKeepTheBitsOfAClientAlone) {
  const SupervisedTask task = convolutional();
  const std::vector<Participation> block = clients(0, 9);
  Correction correction;
  correction.pull = 0.3;
  correction.anchor = 0.9 * start_of(task);
  for (const Correction& with : {Correction{}, correction}) {
    for (const std::int64_t batch : {10, 0}) {
      LocalSettings local = settings(BlockForm::in_turn, batch == 10);
      local.batch = batch;
      const Fit together = fit(task, block, local, with);
      for (std::size_t k = 0; k < block.size(); ++k) {
        const Fit alone = fit(task, {block[k]}, local, with);
        EXPECT_TRUE(at::equal(together.change[k], alone.change[0]));
        EXPECT_EQ(together.loss[k], alone.loss[0]);
      }
    }
  }
}

// Tried with many shapes, since it holds only if the library computes each matrix of a batched product on its own.
TEST(Blocks, StackedDoNotDependOnNeighbours) {
  std::vector<Network> networks{convolutions()};
  for (const std::int64_t inputs : {3, 32, 64, 200}) {
    for (const std::int64_t width : {3, 7, 16, 33}) networks.push_back(dense(inputs, width));
  }
  const Participation who = participation(9, 42);
  for (const Network& network : networks) {
    const SupervisedTask task = task_of(network);
    for (const bool momentum : {false, true}) {
      const LocalSettings local = settings(BlockForm::stacked, momentum);
      const Fit pair = fit(task, {who, participation(1, 1)}, local);
      for (const std::int64_t others : {1, 2, 4, 7, 31, 63}) {
        std::vector<Participation> block = clients(4, others);
        const std::int64_t place = others / 2;
        block.insert(block.begin() + place, who);
        const Fit many = fit(task, block, local);
        EXPECT_TRUE(at::equal(many.change[place], pair.change[0]))
            << task.layout().size << " parameters, " << others << " others";
        EXPECT_EQ(many.loss[place], pair.loss[0]);
      }
    }
  }
}

TEST(Blocks, GroupedDoNotDependOnEqualNeighbours) {
  const SupervisedTask task = convolutional();
  LocalSettings local = settings(BlockForm::grouped);
  local.steps = 5;
  const Participation who = participation(9, 42);
  for (const std::int64_t size : {2, 5, 16}) {
    std::vector<Participation> first = clients(11, size), second = clients(40, size);
    first[0] = who;
    second[size - 1] = who;
    for (Participation& p : first) p.fraction = 1;
    for (Participation& p : second) p.fraction = 1;
    EXPECT_TRUE(at::equal(fit(task, first, local).change[0], fit(task, second, local).change[size - 1])) << size;
  }
}

// Otherwise the tests above would compare a form with itself.
TEST(Blocks, FormsDifferInBits) {
  const SupervisedTask task = convolutional();
  const std::vector<Participation> block = clients(0, 8);
  const at::Tensor in_turn = fit(task, block, settings(BlockForm::in_turn)).change;
  const at::Tensor stacked = fit(task, block, settings(BlockForm::stacked)).change;
  const at::Tensor grouped = fit(task, block, settings(BlockForm::grouped)).change;
  EXPECT_FALSE(at::equal(in_turn, stacked));
  EXPECT_FALSE(at::equal(stacked, grouped));
}

// Other devices compute with the library's arithmetic; here it runs on the host.
TEST(Blocks, LibraryAndLoopsAgree) {
  const Workplace library{at::kCPU, StackForm::Arithmetic::library};
  const SupervisedTask task = convolutional();
  std::vector<at::Tensor> anchors, shifts;
  for (std::uint64_t k = 0; k < 12; ++k) {
    anchors.push_back(task.initial_parameters(random_key(20 + k, "model/initial_parameters")));
    shifts.push_back(0.1 * task.initial_parameters(random_key(40 + k, "model/initial_parameters")));
  }
  Correction correction;
  correction.pull = 0.2;
  correction.anchor = at::stack(anchors);
  correction.shift = at::stack(shifts);
  for (const Correction& with : {Correction{}, correction}) {
    for (const BlockForm form : forms) {
      for (const std::int64_t kind : {0, 1, 2}) {
        LocalSettings local = settings(form, kind > 0);
        local.nesterov = kind == 2;
        const Fit loops = fit(task, clients(0, 12), local, with);
        const Fit same = fit(task, clients(0, 12), local, with, library);
        EXPECT_LT(test::distance(same.change, loops.change), close) << name(form);
        for (std::size_t k = 0; k < loops.loss.size(); ++k) {
          EXPECT_NEAR(same.loss[k], loops.loss[k], close * (1 + loops.loss[k]));
        }
      }
    }
  }
}

TEST(Blocks, LibraryReadsBytesAndEvaluates) {
  Network network({2, 6, 6});
  network.add(layers::conv2d(4, 3, 1)).add(layers::relu()).add(layers::flatten()).add(layers::linear(5));
  auto data = std::make_shared<Dataset>();
  data->train = data->test = stored(test::random_bytes({2, 6, 6}, 5, 1300, 1));
  const SupervisedTask task(data, std::make_unique<test::Consecutive>(sizes()), std::move(network), {}, 7);
  const Workplace library{at::kCPU, StackForm::Arithmetic::library};
  const LocalSettings local = settings(BlockForm::stacked);
  EXPECT_LT(test::distance(fit(task, clients(0, 6), local, {}, library).change, fit(task, clients(0, 6), local).change),
            close);
  StackedTrainer loops(task), other(task, library);
  const Evaluation a = loops.evaluate(start_of(task), {"test", 0});
  const Evaluation b = other.evaluate(start_of(task), {"test", 0});
  EXPECT_EQ(a.examples, b.examples);
  EXPECT_EQ(a.correct, b.correct);
  EXPECT_NEAR(a.mean_loss(), b.mean_loss(), close);
}

TEST(Blocks, ClientsThatAreDoneAreNotTouched) {
  for (const auto arithmetic : {StackForm::Arithmetic::loops, StackForm::Arithmetic::library}) {
    for (const auto convolution : {StackForm::Convolution::each, StackForm::Convolution::grouped}) {
      const SupervisedTask task = convolutional();
      ParameterRows rows(3, task.layout().size);
      rows.values.copy_(start_of(task));
      StackedNetwork net(*task.model().network(), rows, 4, {arithmetic, convolution});
      net.inputs().fill_(0.5);
      net.inputs().narrow(0, 2, 1).fill_(std::numeric_limits<float>::quiet_NaN());
      net.weights().fill_(0.25);
      net.use(2);
      net.forward();
      net.loss_and_gradient();
      net.backward(GradientUse::descend(0.1));
      EXPECT_TRUE(at::isfinite(rows.values).all().item<bool>());
      EXPECT_FALSE(at::equal(rows.values[1], start_of(task)));
      EXPECT_TRUE(at::equal(rows.values[2], start_of(task)));
      EXPECT_GT(rows.losses[1].item<double>(), 0);
      EXPECT_EQ(rows.losses[2].item<double>(), 0);
    }
  }
}

}  // namespace
}  // namespace shoal
