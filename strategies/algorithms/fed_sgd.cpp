// FedSGD: clients return the gradient over all their examples and the server takes one step. McMahan et al., AISTATS
// 2017 (arXiv 1602.05629), section 2. If all clients take part, this is gradient descent on the union of their data.

#include "sim/round/strategy.hpp"

namespace shoal::algorithms {
namespace {

class FedSgd final : public Strategy {
 public:
  explicit FedSgd(const Settings& s)
      : rate_(s.number("rate", 0.1, "learning rate of the server's step", server_rate())) {}

  std::vector<Channel> channels(const ParameterLayout& layout) const override {
    return {{.name = "gradient", .size = layout.size}};
  }
  bool takes_local_steps() const override { return false; }
  LocalSettings work(const LocalSettings& local) const override {
    LocalSettings one_pass = local;
    one_pass.steps = 1;
    one_pass.batch = 0;
    return one_pass;
  }
  UpdateBlock client_update(const Message& server, ClientBlock& clients) const override {
    return clients.gradient(server.params()).delta;
  }
  void server_update(State& state, std::span<const Aggregate> groups, const ServerContext&) const override {
    state.params().sub_(groups[0].mean(), rate_);
  }

 private:
  double rate_;
};

}  // namespace

std::unique_ptr<Strategy> fed_sgd(Settings& settings) { return std::make_unique<FedSgd>(settings); }

}  // namespace shoal::algorithms
