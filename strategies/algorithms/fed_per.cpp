// FedPer: some layers are personal. Clients train all parameters, send the change of the shared ones alone, and keep
// the personal ones between rounds; a client's first values of these are the initial model's. Arivazhagan et al. 2019
// (arXiv 1912.00818), whose personal layers are the last ones. With personal = ["norm"] it is FedBN, Li et al., ICLR
// 2021 (arXiv 2102.07623), with everything but the head LG-FedAvg (Liang et al. 2020, arXiv 2001.01523). Without
// personal parameters it is FedAvg, with no others local training. In the server's model they keep their initial
// values.
//
// Try: task = "supervised", data = "optdigits", model.name = "mlp", model.widths = [6], local.batch = 5

#include <ATen/ops/cat.h>
#include <ATen/ops/ones.h>

#include "sim/nn/layout.hpp"
#include "sim/round/strategy.hpp"

namespace shoal::algorithms {
namespace {

std::int64_t total(std::span<const Range> ranges) {
  std::int64_t size = 0;
  for (const Range& range : ranges) size += range.size;
  return size;
}

// The values of the ranges, one after the other: [size] or [K, size].
at::Tensor taken(const at::Tensor& from, std::span<const Range> ranges) {
  std::vector<at::Tensor> parts;
  for (const Range& range : ranges) parts.push_back(from.narrow(-1, range.first, range.size));
  return at::cat(parts, -1);
}

// Calls use(range of `to`, values) for each range and its part of `values`, which is laid out as `taken` returns it.
void for_each_part(at::Tensor& to, std::span<const Range> ranges, const at::Tensor& values, const auto& use) {
  std::int64_t first = 0;
  for (const Range& range : ranges) {
    at::Tensor place = to.narrow(-1, range.first, range.size);
    use(place, values.narrow(-1, first, range.size));
    first += range.size;
  }
}

class FedPer final : public Strategy {
 public:
  explicit FedPer(const Settings& s)
      : patterns_(
            s.texts("personal", {"head"},
                    "parameters that stay with the client: names or parts of them, such as \"norm\" or \"conv2\", "
                    "roles, such as \"buffer\", or \"head\", the last layer")),
        rate_(s.number("rate", 1, "server learning rate", server_rate())) {}

  void check(const Composition& all) const override { personal_of(all.task.layout()); }
  std::vector<std::string> notes(const Composition& all) const override {
    const ParameterLayout& layout = all.task.layout();
    return {fmt::format("fed_per: {} of {} parameters are personal", total(personal_of(layout)), layout.size)};
  }
  std::vector<Channel> channels(const ParameterLayout& layout) const override {
    Channel delta = delta_channel(layout);
    delta.size = total(shared_of(layout));
    // With nothing to share, a client reports only that it has trained.
    if (delta.size == 0) return {{.name = "trained", .size = 1, .weighting = Weighting::uniform}};
    return {delta};
  }
  std::vector<MemorySlot> memory(const ParameterLayout& layout, std::span<const Channel>) const override {
    if (patterns_.empty()) return {};
    return {{"personal", total(personal_of(layout)), layout.type}};
  }
  void init(State& state, const ServerContext& context) const override {
    if (patterns_.empty()) return;
    state.integer("shared bytes") = total(shared_of(context.layout)) * at::elementSize(context.layout.type);
  }
  // The message holds the whole model, whose personal part never changes; the shared part alone counts as sent.
  void broadcast(const State& state, std::int32_t group, Message& message) const override {
    Strategy::broadcast(state, group, message);
    if (!patterns_.empty()) message.wire_bytes = state.integer("shared bytes");
  }

  UpdateBlock client_update(const Message& server, ClientBlock& clients) const override {
    if (patterns_.empty()) return clients.train(server.params()).delta;
    const std::vector<Range> own = personal_of(clients.layout()), shared = shared_of(clients.layout());
    const at::Tensor before = clients.recall("personal", taken(server.params(), own));
    const at::Tensor delta = clients.train(combined(server.params(), own, before)).delta.dense();
    clients.remember("personal", before + taken(delta, own));
    if (shared.empty()) return {Rows(at::ones({clients.count(), 1}, delta.options()))};
    return {Rows(taken(delta, shared))};
  }
  void server_update(State& state, std::span<const Aggregate> groups, const ServerContext& context) const override {
    if (patterns_.empty()) {
      state.params().add_(groups[0].mean(), rate_);
      return;
    }
    for_each_part(state.params(), shared_of(context.layout), groups[0].mean(),
                  [&](at::Tensor& place, const at::Tensor& mean) { place.add_(mean, rate_); });
  }

  bool is_personal() const override { return !patterns_.empty(); }
  at::Tensor personal(const Message& server, ClientBlock& clients) const override {
    if (patterns_.empty()) return server.params();
    const std::vector<Range> own = personal_of(clients.layout());
    return combined(server.params(), own, clients.recall("personal", taken(server.params(), own)));
  }

 private:
  std::vector<Range> personal_of(const ParameterLayout& layout) const { return layout.ranges(patterns_); }
  std::vector<Range> shared_of(const ParameterLayout& layout) const { return layout.without(personal_of(layout)); }

  // The server's parameters with those of each client in the personal ranges, [K, d].
  static at::Tensor combined(const at::Tensor& params, std::span<const Range> own, const at::Tensor& values) {
    at::Tensor models = params.unsqueeze(0).repeat({values.size(0), 1});
    for_each_part(models, own, values, [](at::Tensor& place, const at::Tensor& value) { place.copy_(value); });
    return models;
  }

  std::vector<std::string> patterns_;
  double rate_;
};

}  // namespace

std::unique_ptr<Strategy> fed_per(Settings& settings) { return std::make_unique<FedPer>(settings); }

}  // namespace shoal::algorithms
