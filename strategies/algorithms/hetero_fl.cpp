// HeteroFL: clients train nested parts of one model, each of the size that suits its device (`shrink` of [model]). The
// server's value of a parameter moves by the mean change of the clients that hold it; parameters that none of them
// holds stay. Diao, Ding and Tarokh, ICLR 2021 (arXiv 2010.01264), equation 4; without their masked loss for clients
// that lack labels. If all clients train the whole model this is FedAvg with uniform weights.

#include <ATen/ops/full_like.h>
#include <ATen/ops/zeros.h>
#include <ATen/ops/zeros_like.h>

#include "sim/round/strategy.hpp"

namespace shoal::algorithms {
namespace {

class HeteroFl final : public Strategy {
 public:
  explicit HeteroFl(const Settings& s) : rate_(s.number("rate", 1, "server learning rate", server_rate())) {}

  std::int32_t groups(const Task& task) const override { return task.variants(); }
  std::int32_t group_of(const State&, ClientId, std::int32_t variant) const override { return variant; }
  std::int32_t variant_of(std::int32_t group) const override { return group; }
  std::vector<Channel> channels(const ParameterLayout& layout) const override {
    return {delta_channel(layout, Weighting::uniform)};
  }
  void init(State& state, const ServerContext& context) const override {
    for (std::int32_t v = 1; v < context.task->variants(); ++v) {
      state.put(name_of(v), context.task->layout(v).places.to(state.params().device()));
    }
  }
  void broadcast(const State& state, std::int32_t group, Message& message) const override {
    const at::Tensor& whole = state.params();
    message.tensors.emplace("params", group == 0 ? whole : whole.index_select(0, state.tensor(name_of(group))));
  }

  UpdateBlock client_update(const Message& server, ClientBlock& clients) const override {
    return clients.train(server.params()).delta;
  }
  void server_update(State& state, std::span<const Aggregate> groups, const ServerContext&) const override {
    at::Tensor& params = state.params();
    // In double, a mean of one group's clients alone is theirs to the last bit.
    const at::Tensor sum = at::zeros(params.sizes(), params.options().dtype(at::kDouble)), weight = at::zeros_like(sum);
    for (std::int32_t g = 0; g < std::ssize(groups); ++g) {
      if (groups[g].clients == 0) continue;
      const at::Tensor change = groups[g].mean().to(at::kDouble) * groups[g].weights[0];
      if (g == 0) {
        sum.add_(change);
        weight.add_(groups[g].weights[0]);
      } else {
        const at::Tensor& places = state.tensor(name_of(g));
        sum.index_add_(0, places, change);
        weight.index_add_(0, places, at::full_like(change, groups[g].weights[0]));
      }
    }
    params.add_(sum.div_(weight.masked_fill_(weight == 0, 1)).to(params.scalar_type()), rate_);
  }

  bool is_personal() const override { return true; }

 private:
  static std::string name_of(std::int32_t variant) { return fmt::format("places/{}", variant); }

  double rate_;
};

}  // namespace

std::unique_ptr<Strategy> hetero_fl(Settings& settings) { return std::make_unique<HeteroFl>(settings); }

}  // namespace shoal::algorithms
