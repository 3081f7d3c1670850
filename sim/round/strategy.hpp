#pragma once
// A strategy is a federated-learning algorithm: the message that the server sends, the update that a client computes
// from it, and the step that the server takes with the aggregated updates.

#include <ATen/TensorOperators.h>  // strategies are tensor expressions

#include <span>
#include <vector>

#include "sim/round/channel.hpp"
#include "sim/round/client_block.hpp"
#include "sim/settings/part.hpp"
#include "sim/state.hpp"

namespace shoal {

/// The range of a server learning rate: it must fit float32 arithmetic.
inline Bounds server_rate() { return {.least = 0, .most = 1e30, .least_excluded = true}; }

/// Facts that the server side of a part may use besides its state.
struct ServerContext {
  const ParameterLayout& layout;
  std::int64_t clients;   // number of clients with training examples
  std::int64_t round;     // 1-based; 0 in `init`
  RandomKey key;          // key of the server's noise
  std::int64_t part = 0;  // 0: the strategy; 1, 2, ...: the stages in order

  /// The noise of this part in this round: the same on every rank, different for every part.
  RandomStream noise() const { return {key, -1 - part, round}; }
};

/// A federated-learning strategy. It holds settings only and stays constant; everything that changes is in the State,
/// which is the same on every rank, and in the clients' memory. The same code serves any number of clients K in a
/// block.
class Strategy {
 public:
  virtual ~Strategy() = default;
  /// UserError when the strategy cannot work with these local settings.
  virtual void check(const LocalSettings&) const {}
  /// The local training that a client's device is charged for on the virtual clock; by default that of one `train`.
  virtual LocalSettings work(const LocalSettings& local) const { return local; }
  /// The channels that each client returns, in this order; by default the change of the parameters, weighted by
  /// examples.
  virtual std::vector<Channel> channels(const ParameterLayout& layout) const { return {delta_channel(layout)}; }
  /// The tensors that each client keeps between rounds.
  virtual std::vector<MemorySlot> memory(const ParameterLayout&) const { return {}; }
  /// Called once, before the first round; the state already holds "params".
  virtual void init(State&, const ServerContext&) const {}
  /// The message that a client downloads; by default the parameters.
  virtual Message broadcast(const State& state) const {
    Message message;
    message.tensors.emplace("params", state.params());
    return message;
  }
  /// Trains the clients of a block and returns one Rows per declared channel.
  virtual UpdateBlock client_update(const Message& server, ClientBlock& clients) const = 0;
  /// Makes the next version of the model from one aggregate per group; a plain sum has one group. Every rank has the
  /// same inputs, hence the same bits. May change the state's tensors in place.
  virtual void server_update(State& state, std::span<const Aggregate> groups, const ServerContext&) const = 0;

  /// Whether clients use models of their own; if so, these are evaluated too.
  virtual bool is_personal() const { return false; }
  /// The models that the clients of the block would use now, [d] or [K, d]; by default the server's. May train, but
  /// must not change the clients' memory.
  virtual at::Tensor personal(const Message& server, ClientBlock&) const { return server.params(); }
};

template <>
std::span<const Part<Strategy>> parts<Strategy>();  // generated from strategies/algorithms

}  // namespace shoal
