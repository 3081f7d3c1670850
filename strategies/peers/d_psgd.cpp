// D-PSGD: every node trains from its own model and mixes models with its neighbours. In the paper neighbours exchange
// the models from before training, and the change by training is added to the mean: X W - rate G(X). Lian et al.,
// NeurIPS 2017 (arXiv 1705.09056), algorithm 1. `exchange = "after"` sends trained models instead; with a complete
// graph it is FedAvg with all clients and equal weights.

#include <ATen/ops/stack.h>

#include "sim/gossip/peer_strategy.hpp"

namespace shoal::peers {
namespace {

class DPsgd final : public PeerStrategy {
 public:
  explicit DPsgd(const Settings& s)
      : sends_trained_(s.choice("exchange", false, {{"before", false}, {"after", true}},
                                "whether neighbours get the model from before or after training")) {}

  PeerUpdate client_update(const at::Tensor& own, ClientBlock& nodes) const override {
    const at::Tensor change = nodes.train(own).delta.dense();
    if (sends_trained_) return {.sent = {Rows(own + change)}};
    return {.sent = {Rows(own)}, .kept = change};
  }
  at::Tensor mix(std::span<const Neighbourhood> near, const at::Tensor& kept, ClientBlock&) const override {
    std::vector<at::Tensor> models;
    for (const Neighbourhood& of_node : near) models.push_back(weighted_sum(of_node));
    const at::Tensor mixed = at::stack(models);
    return kept.defined() ? mixed + kept : mixed;
  }

 private:
  bool sends_trained_;
};

}  // namespace

std::unique_ptr<PeerStrategy> d_psgd(Settings& settings) { return std::make_unique<DPsgd>(settings); }

}  // namespace shoal::peers
