// Purely local training: every client trains a personal model, which starts as the server model and is never sent. The
// baseline without federation; the server model does not change. On the virtual clock, clients are charged for a
// download, as with every strategy. Evaluate with [evaluate] personal.

#include <ATen/ops/ones.h>

#include "sim/round/strategy.hpp"

namespace shoal::algorithms {
namespace {

class LocalOnly final : public Strategy {
 public:
  // A client reports only that it has trained.
  std::vector<Channel> channels(const ParameterLayout&) const override {
    return {{.name = "trained", .size = 1, .weighting = Weighting::uniform}};
  }
  std::vector<MemorySlot> memory(const ParameterLayout& layout, std::span<const Channel>) const override {
    return {{"personal", layout.size, layout.type}};
  }

  UpdateBlock client_update(const Message& server, ClientBlock& clients) const override {
    const at::Tensor own = clients.recall("personal", server.params());
    const LocalResult fit = clients.train(own);
    clients.remember("personal", own + fit.delta.dense());
    return {{Rows(at::ones({clients.count(), 1}, fit.delta.dense().options()))}};
  }
  void server_update(State&, std::span<const Aggregate>, const ServerContext&) const override {}

  bool is_personal() const override { return true; }
  at::Tensor personal(const Message& server, ClientBlock& clients) const override {
    return clients.recall("personal", server.params());
  }
};

}  // namespace

std::unique_ptr<Strategy> local_only(Settings&) { return std::make_unique<LocalOnly>(); }

}  // namespace shoal::algorithms
