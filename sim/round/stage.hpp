#pragma once
// A stage changes updates between client and server: stages work in order on the client's side, in reverse on the
// server's.

#include "sim/round/strategy.hpp"

namespace shoal {

class Stage {
 public:
  virtual ~Stage() = default;
  /// Channels that the stage adds to the strategy's.
  virtual std::vector<Channel> channels(const ParameterLayout&) const { return {}; }
  virtual void init(State&, const ServerContext&) const {}
  /// Adds what clients must know to the message (it is counted as download), under names that no other part uses; two
  /// stages with one name are refused when they are composed.
  virtual void broadcast(const State&, Message&) const {}
  /// Changes the update of a block in place and fills the stage's own channels, which it finds at `own`, .., in
  /// `update.channels`.
  virtual void client_side(const Message&, const ClientBlock&, UpdateBlock& /*update*/, std::size_t /*own*/) const {}
  /// Sees and may change the aggregate before the strategy does.
  virtual void server_side(State&, Aggregate&, std::size_t /*own*/, const ServerContext&) const {}
};

template <>
std::span<const Part<Stage>> parts<Stage>();  // generated from strategies/stages

}  // namespace shoal
