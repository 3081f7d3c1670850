// Do programs of the local step see the clients, batches and gradients that a plain loop over each client sees?
#include <gtest/gtest.h>

#include "sim/nn/layers/conv2d.hpp"
#include "sim/nn/layers/flatten.hpp"
#include "sim/nn/layers/linear.hpp"
#include "sim/nn/layers/relu.hpp"
#include "sim/task/quadratic.hpp"
#include "sim/task/stacked_trainer.hpp"
#include "tests/sim/task/figures.hpp"
#include "tests/sim/task/plain_steps.hpp"

namespace shoal {
namespace {

using test::Batches;
using test::column;
using test::Parameters;
using test::participation;

constexpr double close = 1e-5;  // relative to the largest change: float32 sums in another order
const std::vector<BlockForm> forms{BlockForm::in_turn, BlockForm::stacked, BlockForm::grouped};
const Workplace library{at::kCPU, StackForm::Arithmetic::library};

SupervisedTask small_task() {
  auto data = std::make_shared<Dataset>();
  data->train = stored(test::random_examples({2, 4, 4}, 5, 71, 1));
  Network network({2, 4, 4});
  network.add(layers::conv2d(3, 3, 1)).add(layers::relu()).add(layers::flatten()).add(layers::linear(5));
  return {data, std::make_unique<test::Consecutive>(std::vector<std::int64_t>{23, 10, 7, 1, 30}), network, {}, 7};
}

at::Tensor loss_of(const Parameters& p, const at::Tensor& x, const at::Tensor& labels) {
  return at::cross_entropy_loss(test::dense_scores(p, 2, at::relu(at::conv2d(x, p[0], p[1], 1, 1))), labels);
}

// In an order that is not that of their number of steps; the last does a share of its work.
const std::vector<Participation> ragged{participation(2, 1), participation(4, 9), participation(3, 4),
                                        participation(0, 3), participation(1, 12, 0.4)};

LocalSettings settings(BlockForm form) {
  LocalSettings local;
  local.form = form;
  local.epochs = 2;
  local.batch = 4;
  local.rate = 0.2;
  return local;
}

at::Tensor start_of(const Task& task, std::uint64_t seed = 1) {
  return task.initial_parameters(random_key(seed, "model/initial_parameters"));
}

LocalResult fit(const SupervisedTask& task, const std::vector<Participation>& block, const LocalSettings& local,
                const Correction& correction, Workplace place = {}) {
  StackedTrainer trainer(task, place);
  trainer.open(block, local);
  return trainer.fit(start_of(task), correction);
}

// A client's change by the steps y <- step(y, gradient function of (point, this batch or the next)).
using Gradient = std::function<at::Tensor(const at::Tensor&, Which)>;
at::Tensor plain(const SupervisedTask& task, const Participation& who, const LocalSettings& local,
                 const std::function<at::Tensor(at::Tensor, const Gradient&)>& step) {
  const std::int64_t steps = local.local_steps(task.work(who.client).examples, who.fraction);
  const Batches batches = test::batches_of(task, who, local, steps + 1);
  at::Tensor y = start_of(task);
  for (std::int64_t s = 0; s < steps; ++s) {
    y = step(y, [&](const at::Tensor& at, Which which) {
      return test::plain_gradient(task, at, batches[which == Which::next_batch ? s + 1 : s], loss_of).gradient;
    });
  }
  return y - start_of(task);
}

void expect_everywhere(const SupervisedTask& task, const Correction& correction,
                       const std::function<at::Tensor(at::Tensor, const Gradient&)>& step) {
  std::vector<at::Tensor> want;
  for (const Participation& who : ragged) want.push_back(plain(task, who, settings(BlockForm::in_turn), step));
  for (const Workplace& place : {Workplace{}, library}) {
    for (const BlockForm form : forms) {
      const at::Tensor found = fit(task, ragged, settings(form), correction, place).delta.dense();
      for (std::size_t k = 0; k < ragged.size(); ++k) {
        EXPECT_LT(test::distance(found[k], want[k]), close) << name(form) << ", client " << k;
      }
    }
  }
}

// Sharpness-aware: a gradient at a point that another gradient gives.
void ascend_then_descend(Step& step) {
  const at::Tensor g = step.gradient(step.params());
  step.apply(step.gradient(step.params() + 0.1 * g / g.norm(2, 1, true)));
}

TEST(StepPrograms, TakeSeveralGradientsOnABatch) {
  expect_everywhere(small_task(), {.program = ascend_then_descend}, [](const at::Tensor& y, const Gradient& gradient) {
    const at::Tensor g = gradient(y, Which::this_batch);
    return y - 0.2 * gradient(y + 0.1 * g / g.norm(), Which::this_batch);
  });
}

TEST(StepPrograms, SeeTheNextBatch) {
  const auto program = [](Step& step) {
    const at::Tensor ahead = step.gradient(step.params(), Which::next_batch);  // before this batch's
    const at::Tensor inner = step.params() - 0.1 * step.gradient(step.params());
    step.apply(0.5 * ahead + step.gradient(inner, Which::next_batch));
  };
  expect_everywhere(small_task(), {.program = program}, [](const at::Tensor& y, const Gradient& gradient) {
    const at::Tensor inner = y - 0.1 * gradient(y, Which::this_batch);
    return y - 0.2 * (0.5 * gradient(y, Which::next_batch) + gradient(inner, Which::next_batch));
  });
}

TEST(StepPrograms, StepAsWithoutAProgram) {
  const SupervisedTask task = small_task();
  for (const BlockForm form : forms) {
    for (const double momentum : {0.0, 0.9}) {
      LocalSettings local = settings(form);
      local.momentum = momentum;
      local.nesterov = momentum > 0;
      local.weight_decay = 0.05;
      Correction plainly{.pull = 0.3, .anchor = start_of(task, 2), .shift = 0.1 * start_of(task, 3)};
      Correction program = plainly;
      program.program = [](Step& step) { step.apply(step.gradient(step.params())); };
      const LocalResult want = fit(task, ragged, local, plainly), found = fit(task, ragged, local, program);
      EXPECT_TRUE(at::equal(found.delta.dense(), want.delta.dense())) << name(form);
      for (std::size_t k = 0; k < ragged.size(); ++k) {
        EXPECT_NEAR(found.figures[k].loss, want.figures[k].loss, 1e-12) << name(form);  // added up in another order
      }
      EXPECT_EQ(column(&ClientFigures::steps, found), column(&ClientFigures::steps, want)) << name(form);
    }
  }
}

// A momentum that the program keeps is that of [local]; what it keeps comes back in the order of the block.
TEST(StepPrograms, KeepTensorsFromStepToStep) {
  const SupervisedTask task = small_task();
  for (const BlockForm form : forms) {
    const auto program = [](Step& step) {
      const at::Tensor momentum = step.kept("momentum");
      if (step.number() == 0) {
        EXPECT_EQ(momentum.abs().max().item<float>(), 0);
      }
      momentum.mul_(0.9).add_(step.gradient(step.params()));
      step.params() = step.params() - step.local().rate * momentum;
      step.kept("steps").add_(1);
    };
    const LocalResult found = fit(task, ragged, settings(form), {.program = program});
    LocalSettings local = settings(form);
    local.momentum = 0.9;
    const LocalResult want = fit(task, ragged, local, {});
    EXPECT_LT(test::distance(found.delta.dense(), want.delta.dense()), close) << name(form);
    const at::Tensor steps = found.kept.at("steps");
    for (std::size_t k = 0; k < ragged.size(); ++k) {
      EXPECT_TRUE(at::equal(steps[k], at::full_like(steps[k], want.figures[k].steps))) << name(form);
    }
  }
}

// A program that adds 1 in each step changes a client by its own number of steps, whatever those of the others.
TEST(StepPrograms, LeaveClientsAloneThatAreDone) {
  const SupervisedTask task = small_task();
  for (const BlockForm form : forms) {
    const LocalResult found = fit(task, ragged, settings(form), {.program = [](Step& step) { step.params().add_(1); }});
    const at::Tensor start = start_of(task);
    for (std::size_t k = 0; k < ragged.size(); ++k) {
      at::Tensor y = start.clone();
      for (std::int64_t s = 0; s < found.figures[k].steps; ++s) y.add_(1);
      EXPECT_TRUE(at::equal(found.delta.dense()[k], y - start)) << name(form);
      EXPECT_EQ(found.figures[k].loss, 0);  // no gradient was asked for
    }
    EXPECT_GT(found.figures[1].steps, found.figures[0].steps);
  }
}

TEST(StepPrograms, FindTheRowsOfTheirClients) {
  const SupervisedTask task = small_task();
  std::vector<at::Tensor> rows;
  for (std::uint64_t k = 0; k < ragged.size(); ++k) rows.push_back(0.1 * start_of(task, 10 + k));
  const at::Tensor shift = at::stack(rows), shared = 0.1 * start_of(task, 9);
  for (const BlockForm form : forms) {
    const auto program = [&](Step& step) {
      step.apply(step.gradient(step.params()) + step.own(shift) + step.own(shared));
    };
    const at::Tensor found = fit(task, ragged, settings(form), {.program = program}).delta.dense();
    const at::Tensor want = fit(task, ragged, settings(form), {.shift = shift + shared}).delta.dense();
    EXPECT_LT(test::distance(found, want), close) << name(form);
  }
}

TEST(StepPrograms, KeepTheBitsOfAClientAloneInTurn) {
  const SupervisedTask task = small_task();
  const LocalSettings local = settings(BlockForm::in_turn);
  const at::Tensor together = fit(task, ragged, local, {.program = ascend_then_descend}).delta.dense();
  for (std::size_t k = 0; k < ragged.size(); ++k) {
    const at::Tensor alone = fit(task, {ragged[k]}, local, {.program = ascend_then_descend}).delta.dense();
    EXPECT_TRUE(at::equal(together[k], alone[0])) << k;
  }
}

TEST(Trainable, LimitsTheOptimizer) {
  const SupervisedTask task = small_task();
  const std::vector<std::string> head{"head"};
  at::Tensor mask = at::zeros({task.layout().size});
  for (const Range& range : task.layout().ranges(head)) mask.narrow(0, range.first, range.size).fill_(1);
  const auto step = [&](const at::Tensor& y, const Gradient& gradient) {
    return y - 0.2 * mask * gradient(y, Which::this_batch);
  };
  expect_everywhere(task, {.trainable = mask}, step);
  const auto program = [](Step& s) { s.apply(s.gradient(s.params())); };
  expect_everywhere(task, {.trainable = mask, .program = program}, step);
  const at::Tensor body =
      fit(task, ragged, settings(BlockForm::stacked), {.trainable = mask}).delta.dense() * (1 - mask);
  EXPECT_EQ(body.abs().max().item<float>(), 0);
}

TEST(LocalResults, OwnTheirTensors) {
  const SupervisedTask task = small_task();
  const Quadratic quadratic(Settings::parse("clients = 5\ndimension = 3\n", "test.toml"), 1);
  for (const Task* one : {static_cast<const Task*>(&task), static_cast<const Task*>(&quadratic)}) {
    const auto trainer = one->trainer();
    trainer->open(ragged, settings(BlockForm::in_turn));
    const LocalResult first = trainer->fit(start_of(*one), {});
    const at::Tensor copy = first.delta.dense().clone();
    const LocalResult gradient = trainer->gradient(start_of(*one));
    const at::Tensor of_gradient = gradient.delta.dense().clone();
    trainer->open(std::span(ragged).first(2), settings(BlockForm::in_turn));
    trainer->fit(start_of(*one) + 1, {});
    EXPECT_TRUE(at::equal(first.delta.dense(), copy));
    EXPECT_TRUE(at::equal(gradient.delta.dense(), of_gradient));
  }
}

// F = h (x - b)^2 / 2: x <- x - 0.1 h (x + 0.5 h (x - b) - b), a step of 0.1 h (1 + h / 2) towards b.
TEST(StepPrograms, RunOnQuadraticObjectives) {
  const Quadratic task(
      Settings::parse("curvatures = [1, 4]\noptima = [0, 1]\nprecision = \"float64\"\nstart = 2\n", "test.toml"), 1);
  const auto trainer = task.trainer();
  LocalSettings local;
  local.rate = 0.1;
  local.steps = 4;
  const std::vector<Participation> block{participation(1, 0, 0.5), participation(0, 1)};
  trainer->open(block, local);
  const auto program = [](Step& step) {
    const at::Tensor g = step.gradient(step.params());
    step.apply(step.gradient(step.params() + 0.5 * g, Which::next_batch));
    step.kept("points").add_(step.params());
  };
  const LocalResult found = trainer->fit(start_of(task), {.program = program});
  const auto place = [](double h, double b, int steps) {
    return b + std::pow(1 - 0.1 * h * (1 + h / 2), steps) * (2 - b);
  };
  EXPECT_NEAR(found.delta.dense()[0].item<double>(), place(4, 1, 2) - 2, 1e-14);
  EXPECT_NEAR(found.delta.dense()[1].item<double>(), place(1, 0, 4) - 2, 1e-14);
  EXPECT_NEAR(found.kept.at("points")[0].item<double>(), place(4, 1, 1) + place(4, 1, 2), 1e-14);
  EXPECT_NEAR(found.figures[0].loss, (2 * 1 + 2 * std::pow(place(4, 1, 1) - 1, 2)) / 2, 1e-14);
}

}  // namespace
}  // namespace shoal
