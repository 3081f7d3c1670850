// FedAMP: every client has a model of its own, and the server sends it a mixture of all of them in which similar models
// count most. Client i trains from its mixture u_i with a pull of strength lambda / alpha to it; the server makes
//   u_i = sum_j xi_ij w_j,  xi_ij = alpha / sigma exp(-|w_i - w_j|^2 / sigma) for j != i,  xi_ii = 1 - the others.
// Huang et al., AAAI 2021 (arXiv 2007.03797), algorithm 1 with A(x) = 1 - exp(-x / sigma); alpha is alpha_K there. The
// mixtures are kept at the server. Each round mixes the models that its clients have sent; a client that has sent none
// yet starts from the mean of the last round's models, which is also what is evaluated on the server's examples. alpha
// = 0 is purely local training. The settings are in need of tuning: sigma is of the size of squared distances.

#include <ATen/ops/eye.h>

#include <algorithm>
#include <cmath>

#include "sim/round/server_rows.hpp"
#include "sim/round/strategy.hpp"

namespace shoal::algorithms {
namespace {

class FedAmp final : public Strategy {
 public:
  explicit FedAmp(const Settings& s)
      : alpha_(s.number("alpha", 0.1, "size of the server's step towards similar models", at_least(0))),
        sigma_(s.number("sigma", 1, "squared distance at which models are no longer similar", positive())),
        lambda_(s.number("lambda", 0.1, "strength of the pull to the mixture, times alpha", at_least(0))) {}

  std::vector<Channel> channels(const ParameterLayout& layout) const override {
    return {{.name = "model", .size = layout.size, .weighting = Weighting::uniform}};
  }
  std::vector<MemorySlot> memory(const ParameterLayout& layout, std::span<const Channel>) const override {
    return {{"personal", layout.size, layout.type}};
  }
  bool wants_rows() const override { return true; }
  std::vector<MemorySlot> rows(const ParameterLayout& layout) const override {
    return {{"mixture", layout.size, layout.type}};
  }
  void broadcast(const State& state, std::int32_t group, Message& message) const override {
    Strategy::broadcast(state, group, message);
    message.wire_bytes = 0;  // each client gets its mixture in its place
  }

  UpdateBlock client_update(const Message& server, ClientBlock& clients) const override {
    const at::Tensor mixture = clients.received("mixture", server.params());
    const double pull = alpha_ > 0 ? lambda_ / alpha_ : 0;
    const at::Tensor start = alpha_ > 0 ? mixture : clients.recall("personal", server.params());
    const at::Tensor model = start + clients.train(start, {.pull = pull, .anchor = mixture}).delta.dense();
    clients.remember("personal", model);
    return Rows(model);
  }
  void server_update(State& state, std::span<const Aggregate> groups, const ServerContext& context) const override {
    if (groups[0].clients == 0) return;
    state.params().copy_(groups[0].mean());
    RowSet mixtures = context.rows->updates();
    const std::int64_t n = mixtures.count();
    const at::Tensor weights = at::eye(n, at::kDouble);
    const std::span<const double> gram = mixtures.gram();
    double* w = weights.mutable_data_ptr<double>();
    for (std::int64_t i = 0; i < n; ++i) {
      for (std::int64_t j = 0; j < n; ++j) {
        if (i == j) continue;
        const double square = std::max(0.0, gram[i * n + i] - 2 * gram[i * n + j] + gram[j * n + j]);
        w[i * n + j] = alpha_ / sigma_ * std::exp(-square / sigma_);
        w[i * n + i] -= w[i * n + j];
      }
    }
    mixtures.mix(weights);
    context.rows->keep("mixture", std::move(mixtures));
  }

  bool is_personal() const override { return true; }
  at::Tensor personal(const Message& server, ClientBlock& clients) const override {
    return clients.recall("personal", server.params());
  }

 private:
  double alpha_, sigma_, lambda_;
};

}  // namespace

std::unique_ptr<Strategy> fed_amp(Settings& settings) { return std::make_unique<FedAmp>(settings); }

}  // namespace shoal::algorithms
