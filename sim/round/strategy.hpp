#pragma once
// A strategy is a federated-learning algorithm: the message that the server sends, the update that a client computes
// from it, and the step that the server takes with the aggregated updates.

#include <ATen/TensorOperators.h>  // strategies are tensor expressions

#include <span>
#include <vector>

#include "sim/round/client_block.hpp"
#include "sim/round/part.hpp"

namespace shoal {

/// The range of a server learning rate: it must fit float32 arithmetic.
inline Bounds server_rate() { return {.least = 0, .most = 1e30, .least_excluded = true}; }

/// A federated-learning strategy. The same code serves any number of clients K in a block.
class Strategy : public RoundPart {
 public:
  /// The local training as planners and records count it: its steps, and the share of them that is done.
  virtual LocalSettings work(const LocalSettings& local) const { return local; }
  /// The floating-point operations that a client's device is charged for on the virtual clock, for `fraction` of the
  /// training that `work` describes; by default those of one `train`.
  virtual double operations(const ClientWork& work, const LocalSettings& local, double fraction) const {
    return local_flops(work, local, fraction);
  }
  /// The channels that each client returns, in this order; by default the change of the parameters, weighted by
  /// examples.
  virtual std::vector<Channel> channels(const ParameterLayout& layout) const { return {delta_channel(layout)}; }
  /// The number of groups of clients, each with a message and a sum of its own.
  virtual std::int32_t groups(const Task&) const { return 1; }
  /// The group whose message a client downloads that starts now, below `groups`; `variant` is the variant of the model
  /// that it trains. The update counts in the sum of the same group unless the client chooses another one
  /// (UpdateBlock::groups).
  virtual std::int32_t group_of(const State&, ClientId, std::int32_t /*variant*/) const { return 0; }
  /// The variant that the clients of a group train: channels of its sums have the sizes for that.
  virtual std::int32_t variant_of(std::int32_t /*group*/) const { return 0; }
  /// By default the message holds the parameters.
  void broadcast(const State& state, std::int32_t /*group*/, Message& message) const override {
    message.tensors.emplace("params", state.params());
  }
  /// Trains the clients of a block and returns one Rows per declared channel.
  virtual UpdateBlock client_update(const Message& server, ClientBlock& clients) const = 0;
  /// Channels of a first exchange with the cohort of a round, before any of it trains: empty for none. The means of
  /// each group join the message of `client_update` as "prelude/NAME". Stages, codecs, rules and attacks do not see
  /// them, and the planner must wait for the whole cohort.
  virtual std::vector<Channel> prelude(const ParameterLayout&) const { return {}; }
  /// The updates that the clients of a block send in the first exchange: one Rows per channel. Memory cannot be written
  /// here.
  virtual UpdateBlock prelude_update(const Message&, ClientBlock&) const { return {}; }
  /// Whether `server_update` looks at the updates of single clients (ServerContext::rows).
  virtual bool wants_rows() const { return false; }
  /// Rows that the server keeps for each client and sends to it with the message, where they count as download. Set by
  /// ServerRows::keep, read by ClientBlock::received.
  virtual std::vector<MemorySlot> rows(const ParameterLayout&) const { return {}; }
  /// Whether clients download kept rows of others. The planner must then wait for its whole cohort, since rows change
  /// while a client is in flight.
  virtual bool sends_others() const { return false; }
  /// The clients whose kept rows a client downloads then, if it starts now, in place of its own: Message::rows. The
  /// server must have kept a row for each. The same on every rank; asked often, so it should be cheap.
  virtual std::vector<ClientId> sends(const State&, ClientId /*client*/) const { return {}; }
  /// Makes the next version of the model from one aggregate per group; that of a group without updates has means 0,
  /// weights 0 and 0 clients. Every rank has the same inputs, hence the same bits. May change the state's tensors in
  /// place.
  virtual void server_update(State& state, std::span<const Aggregate> groups, const ServerContext&) const = 0;

  /// Whether clients use models of their own; if so, these are evaluated too.
  virtual bool is_personal() const { return false; }
  /// The models that the clients of the block would use now, [d] or [K, d]; by default the server's. May train, but
  /// must not change the clients' memory.
  virtual at::Tensor personal(const Message& server, ClientBlock&) const { return server.params(); }
  /// Whether clients answer otherwise than by the scores of their model.
  virtual bool has_predictions() const { return false; }
  /// Scores by which the clients of the block answer on their examples, [K, n, classes]: their softmax is compared with
  /// the labels. `outputs` are those of their personal models.
  virtual at::Tensor predict(const Message&, ClientBlock&, const Outputs& outputs) const { return outputs.scores; }
};

template <>
std::span<const Part<Strategy>> parts<Strategy>();  // generated from strategies/algorithms

}  // namespace shoal
