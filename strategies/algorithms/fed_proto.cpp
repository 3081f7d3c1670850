// FedProto: clients share the mean features of their classes, prototypes, in place of weights. Each trains a model of
// its own with its task's loss plus lambda times the mean squared distance between an example's features and the
// prototype of its class, and answers by the nearest prototype. Tan et al., AAAI 2022 (arXiv 2105.00243), algorithm 1.
// Features are the input of the last layer. A client's prototypes are those of its trained model. With lambda = 0 this
// is local training.
//
// Try: task = "supervised", data = "optdigits", model.name = "mlp", model.widths = [6], local.batch = 5

#include <ATen/ops/arange.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/where.h>
#include <ATen/ops/zeros.h>

#include <algorithm>

#include "sim/round/strategy.hpp"

namespace shoal::algorithms {
namespace {

// The number of classes and of features, from the weight of the last layer.
struct Head {
  std::int64_t classes = 0, width = 0;
};

Head head_of(const ParameterLayout& layout) {
  const auto weight = std::find_if(layout.parameters.rbegin(), layout.parameters.rend(),
                                   [](const Parameter& p) { return p.shape.size() == 2; });
  if (weight == layout.parameters.rend()) return {};
  return {.classes = weight->shape[0], .width = weight->shape[1]};
}

class FedProto final : public Strategy {
 public:
  explicit FedProto(const Settings& s)
      : lambda_(s.number("lambda", 1, "strength of the pull of features to the prototype of their class", at_least(0))),
        by_examples_(s.choice("weights", true, {{"examples", true}, {"clients", false}},
                              "what counts in a prototype: examples, as in the paper, or clients, as in its code")) {}

  void check(const Composition& all) const override {
    const Head head = head_of(all.task.layout());
    const std::int64_t classes = std::ssize(all.task.client_labels(ClientId{0}).examples);
    if (all.task.has_outputs() && classes > 0 && head.classes == classes) return;
    user_error(
        "[strategy] fed_proto with a model whose last layer has {} outputs for {} classes. Use labels, and a model "
        "that ends with a linear layer.",
        head.classes, classes);
  }
  double operations(const ClientWork& work, const LocalSettings& local, double fraction) const override {
    // A forward pass over all examples, a third of a training pass, gives the prototypes.
    return local_flops(work, local, fraction) + work.flops_per_example * work.examples / 3;
  }
  // Each client sends, for each class, the sum of its features and their count, both divided by the number of its
  // examples, so that no value is larger than a feature; the server divides one by the other.
  std::vector<Channel> channels(const ParameterLayout& layout) const override {
    const Head head = head_of(layout);
    const Weighting weighting = by_examples_ ? Weighting::examples : Weighting::uniform;
    return {{.name = "prototypes", .size = head.classes * head.width, .weighting = weighting, .needs_mean = true},
            {.name = "counts", .size = head.classes, .weighting = weighting, .needs_mean = true}};
  }
  std::vector<MemorySlot> memory(const ParameterLayout& layout, std::span<const Channel>) const override {
    return {{"personal", layout.size, layout.type}};
  }
  void init(State& state, const ServerContext& context) const override {
    const Head head = head_of(context.layout);
    state.put("prototypes", at::zeros({head.classes, head.width}, context.layout.options()));
    state.put("known", at::zeros({head.classes}, context.layout.options()));  // 1: the class has a prototype
  }
  // The initial model is in the message for clients that have none yet; it never changes and does not count as sent.
  void broadcast(const State& state, std::int32_t group, Message& message) const override {
    Strategy::broadcast(state, group, message);
    message.wire_bytes = 0;
    for (const char* name : {"prototypes", "known"}) {
      message.tensors.emplace(name, state.tensor(name));
      *message.wire_bytes += state.tensor(name).nbytes();
    }
  }

  UpdateBlock client_update(const Message& server, ClientBlock& clients) const override {
    const at::Tensor own = clients.recall("personal", server.params());
    Correction correction;
    if (lambda_ > 0 && server.tensors.at("known").any().item<bool>()) correction.loss = pull(server);
    const at::Tensor model = own + clients.train(own, correction).delta.dense();
    clients.remember("personal", model);

    const ExampleOutputs seen = clients.outputs(model, "train");
    if (!seen.features.defined()) {
      user_error(
          "[strategy] fed_proto with a model that names no features. Use a model that ends with a linear layer.");
    }
    const at::Tensor classes = at::arange(head_of(clients.layout()).classes, seen.targets.options());
    const at::Tensor is_of = seen.targets.unsqueeze(2).eq(classes).to(seen.features.scalar_type());  // [K, n, classes]
    const at::Tensor sums = is_of.transpose(1, 2).matmul(seen.features), counts = is_of.sum(1);
    const at::Tensor divisor = by_examples_ ? counts.sum(1, /*keepdim=*/true) : counts.clamp_min(1);
    const at::Tensor share = by_examples_ ? counts / divisor : counts.clamp_max(1);
    return {{Rows((sums / divisor.unsqueeze(2)).flatten(1)), Rows(share)}};
  }
  // A class that no client of this round has keeps its prototype.
  void server_update(State& state, std::span<const Aggregate> groups, const ServerContext&) const override {
    at::Tensor& prototypes = state.tensor("prototypes");
    const at::Tensor share = groups[0].mean(1).unsqueeze(1), has = share.gt(0);
    const at::Tensor sums = groups[0].mean(0).view(prototypes.sizes());
    prototypes.copy_(at::where(has, sums / share, prototypes));
    state.tensor("known").masked_fill_(has.squeeze(1), 1);
  }

  bool is_personal() const override { return true; }
  at::Tensor personal(const Message& server, ClientBlock& clients) const override {
    return clients.recall("personal", server.params());
  }
  bool has_predictions() const override { return true; }
  // Scores are mean squared distances with the sign changed. A class without a prototype is farther away than all
  // others; as long as there is none at all, the model's own scores count.
  at::Tensor predict(const Message& server, ClientBlock&, const Outputs& outputs) const override {
    const at::Tensor& prototypes = server.tensors.at("prototypes");
    const at::Tensor known = server.tensors.at("known").gt(0);
    if (!known.any().item<bool>() || outputs.scores.numel() == 0) return outputs.scores;
    std::vector<at::Tensor> scores;
    for (std::int64_t c = 0; c < prototypes.size(0); ++c) {
      scores.push_back(-(outputs.features - prototypes[c]).square().mean(-1));
    }
    const at::Tensor all = at::stack(scores, -1);
    const at::Tensor farthest = at::where(known, all, 0).amin(-1, /*keepdim=*/true);
    return at::where(known, all, farthest - 1);
  }

 private:
  // lambda times the mean squared distance to the prototype of the example's class, if that has one.
  LossTerm pull(const Message& server) const {
    const auto value = [lambda = lambda_, prototypes = server.tensors.at("prototypes"),
                        known = server.tensors.at("known")](const LossInputs& seen) {
      const at::Tensor label = seen.targets.flatten();
      const at::Tensor to = prototypes.index_select(0, label).view(seen.own.features.sizes());
      const at::Tensor counts = known.index_select(0, label).view(seen.targets.sizes());
      return lambda * counts * (seen.own.features - to).square().mean(-1);
    };
    return {.value = value};
  }

  double lambda_;
  bool by_examples_;
};

}  // namespace

std::unique_ptr<Strategy> fed_proto(Settings& settings) { return std::make_unique<FedProto>(settings); }

}  // namespace shoal::algorithms
