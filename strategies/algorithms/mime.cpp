// Mime: clients imitate the steps of a server with momentum. The server's momentum m stays as it is while they train,
// and each local gradient is corrected towards the mean full gradient c of the cohort at the received model x, which a
// first exchange finds: y <- y - rate ((1 - beta) (g(y) - g(x) + c) + beta m), both gradients on the same batch. Then x
// is the mean of the y and m <- (1 - beta) c + beta m. Karimireddy et al., 2020 (arXiv 2008.03606), algorithm 1 with
// SGD with momentum. A local step costs two gradients.
// Try: planner.name = "uniform"

#include <ATen/ops/zeros_like.h>

#include "sim/round/strategy.hpp"

namespace shoal::algorithms {
namespace {

class Mime final : public Strategy {
 public:
  explicit Mime(const Settings& s)
      : beta_(s.number("beta", 0.9, "share of the momentum in a step", between(0, 1))),
        rate_(s.number("rate", 1, "server learning rate", server_rate())) {}

  void check(const Composition& all) const override {
    if (all.local.momentum > 0) {
      user_error("[local] momentum of {} with mime (the server's momentum takes its place). Set it to 0.",
                 all.local.momentum);
    }
  }
  double operations(const ClientWork& work, const LocalSettings& local, double fraction) const override {
    return 2 * local_flops(work, local, fraction);
  }
  std::vector<Channel> channels(const ParameterLayout& layout) const override {
    return {delta_channel(layout, Weighting::uniform)};
  }
  std::vector<Channel> prelude(const ParameterLayout& layout) const override {
    return {{.name = "gradient", .size = layout.size, .weighting = Weighting::uniform}};
  }
  void init(State& state, const ServerContext&) const override {
    state.put("momentum", at::zeros_like(state.params()));
  }
  void broadcast(const State& state, std::int32_t group, Message& message) const override {
    Strategy::broadcast(state, group, message);
    message.tensors.emplace("momentum", state.tensor("momentum"));
  }

  UpdateBlock prelude_update(const Message& server, ClientBlock& clients) const override {
    return clients.gradient(server.params()).delta;
  }
  UpdateBlock client_update(const Message& server, ClientBlock& clients) const override {
    const at::Tensor& x = server.params();
    const at::Tensor known =
        (1 - beta_) * server.tensors.at("prelude/gradient") + beta_ * server.tensors.at("momentum");
    const auto step_as_server = [&](Step& step) {
      const at::Tensor here = step.gradient(step.params());
      step.apply((1 - beta_) * (here - step.gradient(x)) + known);
    };
    return clients.train(x, {.program = step_as_server}).delta;
  }
  void server_update(State& state, std::span<const Aggregate> groups, const ServerContext& context) const override {
    if (context.prelude.empty()) return;  // a round without clients
    state.params().add_(groups[0].mean(), rate_);
    state.tensor("momentum").mul_(beta_).add_(context.prelude[0].mean(), 1 - beta_);
  }

 private:
  double beta_, rate_;
};

}  // namespace

std::unique_ptr<Strategy> mime(Settings& settings) { return std::make_unique<Mime>(settings); }

}  // namespace shoal::algorithms
