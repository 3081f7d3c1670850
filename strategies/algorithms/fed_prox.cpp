// FedProx: local training is pulled back to the server model. Li et al., MLSys 2020 (arXiv 1812.06127), eq. 2.

#include "sim/round/strategy.hpp"

namespace shoal::algorithms {
namespace {

class FedProx final : public Strategy {
 public:
  explicit FedProx(const Settings& s)
      : mu_(s.number("mu", 0.01, "strength of the pull to the server model", at_least(0))) {}

  UpdateBlock client_update(const Message& server, ClientBlock& clients) const override {
    return clients.train(server.params(), {.pull = mu_, .anchor = server.params()}).delta;
  }
  void server_update(State& state, std::span<const Aggregate> groups, const ServerContext&) const override {
    state.params().add_(groups[0].mean());
  }

 private:
  double mu_;
};

}  // namespace

std::unique_ptr<Strategy> fed_prox(Settings& settings) { return std::make_unique<FedProx>(settings); }

}  // namespace shoal::algorithms
