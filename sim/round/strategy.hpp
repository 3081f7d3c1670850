#pragma once
// How clients learn together: what the server sends, what a client does with it, what the server makes of the answers.

#include <ATen/TensorOperators.h>  // strategies are tensor expressions

#include <span>
#include <vector>

#include "sim/round/channel.hpp"
#include "sim/round/client_block.hpp"
#include "sim/settings/part.hpp"
#include "sim/state.hpp"

namespace shoal {

/// What a server learning rate may be: arithmetic in float32 must be able to hold it.
inline Bounds server_rate() { return {.least = 0, .most = 1e30, .least_excluded = true}; }

/// What the server side of a part may know.
struct ServerContext {
  const ParameterLayout& layout;
  std::int64_t clients;   // of the population, with training examples
  std::int64_t round;     // 1-based
  RandomKey key;          // for noise of the server
  std::int64_t part = 0;  // 0: the strategy; 1, 2, ..: the stages in order

  /// Noise of one part in one round: the same on every rank, another for every part.
  RandomStream noise() const { return {key, -1 - part, round}; }
};

/// A federated-learning strategy. Const: settings only; what changes is in the State (same on every rank) and in the
/// clients' memory. Written once for any number of clients K in a block.
class Strategy {
 public:
  virtual ~Strategy() = default;
  /// UserError when the strategy cannot work with these local settings.
  virtual void check(const LocalSettings&) const {}
  /// The local training that a client's device is charged for on the virtual clock; by default one `train`.
  virtual LocalSettings work(const LocalSettings& local) const { return local; }
  /// What each client returns, in this order; by default the change of the parameters, weighted by examples.
  virtual std::vector<Channel> channels(const ParameterLayout& layout) const { return {delta_channel(layout)}; }
  /// What each client keeps between rounds.
  virtual std::vector<MemorySlot> memory(const ParameterLayout&) const { return {}; }
  /// Called once; the state holds "params" already.
  virtual void init(State&, const ServerContext&) const {}
  /// What a client downloads; by default the parameters.
  virtual Message broadcast(const State& state) const {
    Message message;
    message.tensors.emplace("params", state.params());
    return message;
  }
  /// One Rows per declared channel.
  virtual UpdateBlock client_update(const Message& server, ClientBlock& clients) const = 0;
  /// One aggregate per group (a plain sum has one). Same inputs on every rank, hence the same bits. May change the
  /// state's tensors in place.
  virtual void server_update(State& state, std::span<const Aggregate> groups, const ServerContext&) const = 0;

  /// Whether clients use models of their own, so that evaluating those is worth the time.
  virtual bool is_personal() const { return false; }
  /// The models that the clients of the block would use now, [d] or [K, d]; by default the server's. May train, must
  /// not remember.
  virtual at::Tensor personal(const Message& server, ClientBlock&) const { return server.params(); }
};

template <>
std::span<const Part<Strategy>> parts<Strategy>();  // generated from strategies/algorithms

}  // namespace shoal
