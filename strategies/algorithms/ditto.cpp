// Ditto: the server model is that of FedAvg. In addition, every client keeps a personal model, which it trains in as
// many local steps with a pull of strength lambda to the server model that it received. Li et al., ICML 2021 (arXiv
// 2012.04221), algorithm 1. A client's personal model starts as the server model. lambda = 0 is purely local training.

#include "sim/round/strategy.hpp"

namespace shoal::algorithms {
namespace {

class Ditto final : public Strategy {
 public:
  explicit Ditto(const Settings& s)
      : lambda_(s.number("lambda", 1, "strength of the pull of a client's personal model to the server model",
                         at_least(0))),
        rate_(s.number("rate", 1, "server learning rate", server_rate())) {}

  double operations(const ClientWork& work, const LocalSettings& local, double fraction) const override {
    return 2 * local_flops(work, local, fraction);  // two models are trained
  }
  std::vector<MemorySlot> memory(const ParameterLayout& layout, std::span<const Channel>) const override {
    return {{"personal", layout.size, layout.type}};
  }

  UpdateBlock client_update(const Message& server, ClientBlock& clients) const override {
    const at::Tensor own = clients.recall("personal", server.params());
    const LocalResult personal = clients.train(own, {.pull = lambda_, .anchor = server.params()});
    clients.remember("personal", own + personal.delta.dense());
    return clients.train(server.params()).delta;  // last, so that the round records these losses
  }
  void server_update(State& state, std::span<const Aggregate> groups, const ServerContext&) const override {
    state.params().add_(groups[0].mean(), rate_);
  }

  bool is_personal() const override { return true; }
  at::Tensor personal(const Message& server, ClientBlock& clients) const override {
    return clients.recall("personal", server.params());
  }

 private:
  double lambda_, rate_;
};

}  // namespace

std::unique_ptr<Strategy> ditto(Settings& settings) { return std::make_unique<Ditto>(settings); }

}  // namespace shoal::algorithms
