// Does the personal evaluation ask a strategy what its clients answer?
#include <mutex>

#include "sim/round/personal.hpp"
#include "tests/sim/round/rounds.hpp"
#include "tests/sim/round/small_federation.hpp"

namespace shoal {
namespace {

using namespace shoal::test;

// FedAvg whose clients answer by `factor` times the scores of their model.
class Scaled final : public Strategy {
 public:
  explicit Scaled(double factor) : factor_(factor) {}
  UpdateBlock client_update(const Message& server, ClientBlock& clients) const override {
    return clients.train(server.params()).delta;
  }
  void server_update(State& state, std::span<const Aggregate> groups, const ServerContext&) const override {
    state.params().add_(groups[0].mean());
  }
  bool has_predictions() const override { return true; }
  at::Tensor predict(const Message&, ClientBlock& clients, const Outputs& outputs) const override {
    EXPECT_EQ(clients.count(), 1);
    EXPECT_EQ(outputs.features.size(2), 9);
    return outputs.scores * factor_;
  }

 private:
  double factor_;
};

Federation parts_of() {
  return federation(
      "data = {name = \"optdigits\", test = 0.3}\npartition = {name = \"dirichlet\", clients = 12, minimum = 4}\n"
      "model = {name = \"mlp\", widths = [9]}\nplanner = {cohort = 4}\nlocal = {batch = 10}\n");
}

// The evaluation after a round, which is the same on all ranks.
PersonalEvaluation evaluated(const Federation& parts, int ranks, at::Tensor* model = nullptr) {
  PersonalEvaluation found;
  std::mutex mutex;
  run_on_threads(ranks, [&](Communicator& comm) {
    FederationState state(parts, comm.size(), comm.rank());
    Trainers trainers(*parts.task, 1);
    run_round(parts, state, comm, trainers);
    const PersonalEvaluation here = evaluate_personal(parts, state, "test", 12, comm, trainers);
    const std::lock_guard lock(mutex);
    found = here;
    if (model != nullptr) *model = state.strategy().params();
  });
  return found;
}

TEST(Predictions, ReplaceTheScores) {
  for (const double factor : {1.0, -2.0}) {
    Federation parts = parts_of();
    parts.strategy = std::make_shared<Scaled>(factor);
    at::Tensor model;
    const PersonalEvaluation seen = evaluated(parts, 1, &model);
    const auto& task = dynamic_cast<const SupervisedTask&>(*parts.task);
    double accuracy = 0, loss = 0;
    for (std::int64_t c = 0; c < 12; ++c) {
      const std::vector<std::int32_t> own = task.holdout().indices(ClientId{c}, "test");
      const at::Tensor y = labels(task.train(), own);
      const at::Tensor scores =
          factor * dense_scores(leaves(task.layout(), model), 0, features(task.train(), own)).detach();
      accuracy += scores.argmax(1).eq(y).to(at::kDouble).mean().item<double>() / 12;
      loss += at::cross_entropy_loss(scores, y).item<double>() / 12;
    }
    EXPECT_EQ(seen.clients, 12);
    EXPECT_NEAR(seen.accuracy, accuracy, 1e-12);
    EXPECT_NEAR(seen.loss, loss, 1e-5);
    for (const int ranks : {2, 3, 5}) {
      EXPECT_EQ(evaluated(parts, ranks).accuracy, seen.accuracy);
      EXPECT_EQ(evaluated(parts, ranks).loss, seen.loss);
    }
  }
}

}  // namespace
}  // namespace shoal
