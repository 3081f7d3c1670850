// SCAFFOLD: control variates correct the drift of local training. Karimireddy et al., ICML 2020 (arXiv 1910.06378),
// algorithm 1, option II.

#include <ATen/ops/from_blob.h>
#include <ATen/ops/zeros_like.h>

#include "sim/round/strategy.hpp"

namespace shoal::algorithms {
namespace {

class Scaffold final : public Strategy {
 public:
  explicit Scaffold(const Settings& s) : rate_(s.number("rate", 1, "server learning rate", server_rate())) {}

  void check(const Composition& all) const override {
    if (all.local.momentum > 0) {
      user_error("[local] momentum of {} with scaffold (its control variates are gradients of plain SGD). Set it to 0.",
                 all.local.momentum);
    }
  }
  std::vector<Channel> channels(const ParameterLayout& layout) const override {
    return {delta_channel(layout, Weighting::uniform),
            {.name = "control_change", .size = layout.size, .weighting = Weighting::uniform}};
  }
  std::vector<MemorySlot> memory(const ParameterLayout& layout, std::span<const Channel>) const override {
    return {{"control", layout.size, layout.type}};
  }
  void init(State& state, const ServerContext&) const override { state.put("control", at::zeros_like(state.params())); }
  void broadcast(const State& state, std::int32_t group, Message& message) const override {
    Strategy::broadcast(state, group, message);
    message.tensors.emplace("control", state.tensor("control"));
  }

  UpdateBlock client_update(const Message& server, ClientBlock& clients) const override {
    const at::Tensor shift = server.tensors.at("control") - clients.recall("control");
    const LocalResult fit = clients.train(server.params(), {.shift = shift});
    // Option II needs no extra pass over the data. With K local steps: c_i+ - c_i = (x - y_i) / (K rate) - c.
    std::vector<double> per_step;
    for (const ClientFigures& client : fit.figures) per_step.push_back(-1 / (client.steps * clients.local().rate));
    const at::Tensor delta = fit.delta.dense();
    const at::Tensor mean_gradient =
        delta * at::from_blob(per_step.data(), {clients.count(), 1}, at::kDouble).to(delta.options());
    clients.remember("control", mean_gradient - shift);
    return {{fit.delta, mean_gradient.sub_(server.tensors.at("control"))}};
  }
  void server_update(State& state, std::span<const Aggregate> groups, const ServerContext& context) const override {
    state.params().add_(groups[0].mean(0), rate_);
    // The divisor of the mean is the number of clients, unless a stage or stale updates' weights change it.
    const double share = groups[0].weights[1] / context.clients;
    state.tensor("control").add_(groups[0].mean(1), share);
  }

 private:
  double rate_;
};

}  // namespace

std::unique_ptr<Strategy> scaffold(Settings& settings) { return std::make_unique<Scaffold>(settings); }

}  // namespace shoal::algorithms
