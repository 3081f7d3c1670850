// FedAvg: clients train locally and the server adds the mean of their changes. McMahan et al., AISTATS 2017
// (arXiv 1602.05629), algorithm 1.

#include "sim/round/strategy.hpp"

namespace shoal::algorithms {
namespace {

class FedAvg final : public Strategy {
 public:
  explicit FedAvg(const Settings& s) : rate_(s.number("rate", 1, "server learning rate", server_rate())) {}

  UpdateBlock client_update(const Message& server, ClientBlock& clients) const override {
    return clients.train(server.params()).delta;
  }
  void server_update(State& state, std::span<const Aggregate> groups, const ServerContext&) const override {
    state.params().add_(groups[0].mean(), rate_);
  }

 private:
  double rate_;
};

}  // namespace

std::unique_ptr<Strategy> fed_avg(Settings& settings) { return std::make_unique<FedAvg>(settings); }

}  // namespace shoal::algorithms
