// Does the server's training on its own examples give the model that autograd gives, beside and after the clients'?
#include <gmock/gmock.h>

#include "tests/sim/round/rounds.hpp"
#include "tests/sim/round/small_federation.hpp"

namespace shoal {
namespace {

using namespace shoal::test;

std::string experiment(const std::string& strategy, const std::string& local = "batch = 0\nsteps = 3\n",
                       int server = 100) {
  return fmt::format(
      "data = {{name = \"optdigits\", server = {}}}\nmodel = {{name = \"mlp\", widths = [7]}}\n"
      "partition = {{name = \"dirichlet\", clients = 5, minimum = 10}}\nplanner = {{cohort = 5}}\nstrategy = {}\n"
      "[local]\nrate = 0.2\n{}",
      server, strategy, local);
}

std::vector<std::int32_t> server_examples(const SupervisedTask& task) {
  std::vector<std::int32_t> all;
  for (std::int64_t c = 0; c < task.chunks("server"); ++c) {
    const auto part = task.chunk({.set = "server", .index = c}).positions;
    all.insert(all.end(), part.begin(), part.end());
  }
  return all;
}

// Clients and server take full-batch steps, computed one after the other with autograd.
at::Tensor expected(const Federation& parts, bool after, int rounds, int server_steps, double step_rate) {
  const auto& task = dynamic_cast<const SupervisedTask&>(*parts.task);
  const std::vector<std::int32_t> own = server_examples(task);
  const at::Tensor x = features(task.train(), own), y = labels(task.train(), own);
  const Scores scores = [](const Parameters& p, const at::Tensor& from) { return dense_scores(p, 0, from); };
  at::Tensor model = task.initial_parameters(random_key(parts.seed, "model/initial_parameters"));
  for (int round = 1; round <= rounds; ++round) {
    at::Tensor sum = at::zeros_like(model);
    std::int64_t examples = 0;
    for (std::int64_t k = 0; k < 5; ++k) {
      const std::int64_t count = task.work(ClientId{k}).examples;
      sum += count * reference_fit(task, scores, participation(k, 1), parts.local->at(round), model, {}).delta;
      examples += count;
    }
    const at::Tensor mean = sum / examples, start = after ? model + mean : model;
    at::Tensor trained = start;
    for (int step = 0; step < server_steps; ++step) {
      Parameters p = leaves(task.layout(), trained);
      at::cross_entropy_loss(dense_scores(p, 0, x), y).backward();
      Parameters gradients;
      for (const at::Tensor& one : p) gradients.push_back(one.grad());
      trained = trained - step_rate * flat(gradients);
    }
    model = model + mean + (trained - start);
  }
  return model;
}

TEST(MixedFl, AddsBothChanges) {
  for (const bool after : {false, true}) {
    const std::string order = after ? "after" : "parallel";
    for (const int batch : {0, 100}) {  // 100 are all, in another order
      const Federation parts = federation(experiment(fmt::format(
          "{{name = \"mixed_fl\", steps = 4, batch = {}, step_rate = 0.3, order = \"{}\"}}", batch, order)));
      const at::Tensor want = expected(parts, after, 3, 4, 0.3);
      const at::Tensor start = parts.task->initial_parameters(random_key(parts.seed, "model/initial_parameters"));
      EXPECT_LT(distance(play(parts, 3).last() - start, want - start), 5e-5) << order;
    }
  }
}

TEST(MixedFl, WithoutServerStepsIsFedAvgInBits) {
  const std::string local = "batch = 5\nblock = 2\n";
  const Played none = play(federation(experiment("{name = \"mixed_fl\", steps = 0}", local)), 3);
  EXPECT_EQ(none.bits, play(federation(experiment("\"fed_avg\"", local)), 3).bits);
}

// 90 examples in batches of 20 or 70: a pass ends within a batch.
TEST(MixedFl, HasTheSameBitsOnAnyRanks) {
  for (const std::string settings : {"batch = 20", "order = \"after\", batch = 70"}) {
    const Federation parts =
        federation(experiment("{name = \"mixed_fl\", " + settings + "}", "batch = 5\nblock = 2\n", 90));
    const Played one = play(parts, 3);
    for (const Hands hands : {Hands{1, 2}, Hands{2, 1}, Hands{3, 2}, Hands{5, 1}}) {
      EXPECT_EQ(play(parts, 3, hands).bits, one.bits);
    }
  }
}

// Clients whose labels are all of two classes: the server's examples have the other eight as well.
TEST(MixedFl, LearnsWhatOnlyTheServerKnows) {
  const auto loss_on_server = [](const std::string& strategy) {
    Settings settings = Settings::parse(experiment(strategy, "steps = 5\nbatch = 10\n", 200), "test.toml");
    settings.set("partition", "{name = \"classes_per_client\", clients = 5, classes = 2}");
    settings.set("planner.cohort", "1");
    const Federation parts = composed(settings).federation;
    const at::Tensor model = play(parts, 6).last();
    double loss = 0;
    run_on_threads(1, [&](Communicator& comm) {
      Trainers trainers(*parts.task, 1);
      loss = evaluate(model, "server", *parts.task, comm, trainers).mean_loss();
    });
    return loss;
  };
  EXPECT_LT(loss_on_server("{name = \"mixed_fl\", steps = 30, order = \"after\"}"),
            0.8 * loss_on_server("\"fed_avg\""));
}

TEST(MixedFl, NeedsExamplesOfTheServer) {
  for (const std::string& toml :
       {experiment("\"mixed_fl\"", "", 0), std::string("task = \"quadratic\"\nstrategy = \"mixed_fl\"\n")}) {
    try {
      federation(toml);
      ADD_FAILURE() << "accepted";
    } catch (const UserError& error) {
      EXPECT_THAT(error.what(), testing::HasSubstr("Set 'server' of [data]"));
    }
  }
}

}  // namespace
}  // namespace shoal
