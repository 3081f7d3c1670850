// Mixed FL, parallel training: while clients train on their data, the server takes `steps` steps of SGD from the same
// model on examples of its own, and both changes are added to the model. Augenstein et al. 2022 (arXiv 2205.13655).
// With order = "after" the server's steps start from the model that already has the clients' mean change. Without steps
// this is FedAvg. The server's time is not charged on the virtual clock.
//
// Try: task = "supervised", data.name = "optdigits", data.server = 150, model = "logistic_regression", local.batch = 5
// Try: task = "supervised", data = {name = "optdigits", server = 9}, model = "logistic_regression", local.block = 3

#include "sim/round/strategy.hpp"
#include "strategies/algorithms/shared/server_batches.hpp"

namespace shoal::algorithms {
namespace {

enum class Order : std::int8_t { parallel, after };

class MixedFl final : public Strategy {
 public:
  explicit MixedFl(const Settings& s)
      : rate_(s.number("rate", 1, "server learning rate of the clients' mean change", server_rate())),
        steps_(s.integer("steps", 5, "steps of the server on its own examples in each round", at_least(0))),
        batch_(s.integer("batch", 64, "examples of a server's step; 0: all", at_least(0))),
        step_rate_(s.number("step_rate", 0.1, "learning rate of the server's steps", server_rate())),
        order_(s.choice("order", Order::parallel, {{"parallel", Order::parallel}, {"after", Order::after}},
                        "whether the server trains beside the clients or after their change")) {}

  void check(const Composition& all) const override {
    if (all.task.has_outputs() && all.task.evaluated_examples("server") > 0) return;
    user_error("[strategy] mixed_fl trains on examples of the server, and it has none. Set 'server' of [data].");
  }
  UpdateBlock client_update(const Message& server, ClientBlock& clients) const override {
    return clients.train(server.params()).delta;
  }
  void server_update(State& state, std::span<const Aggregate> groups, const ServerContext& context) const override {
    const at::Tensor before = state.params().clone();
    state.params().add_(groups[0].mean(), rate_);
    const at::Tensor start = order_ == Order::parallel ? before : state.params().clone();
    state.params().add_(trained(start, context) - start);
  }

 private:
  // The server's model after its steps.
  at::Tensor trained(const at::Tensor& start, const ServerContext& context) const {
    ServerBatches batches(context, batch_);
    at::Tensor model = start.clone();
    for (std::int64_t step = 0; step < steps_; ++step) {
      model.sub_(context.server->gradient(model, batches.next()), step_rate_);
    }
    return model;
  }

  double rate_;
  std::int64_t steps_, batch_;
  double step_rate_;
  Order order_;
};

}  // namespace

std::unique_ptr<Strategy> mixed_fl(Settings& settings) { return std::make_unique<MixedFl>(settings); }

}  // namespace shoal::algorithms
