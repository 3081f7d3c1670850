#pragma once
// A stage changes updates between client and server. Stages run in order on the client's side and in reverse order on
// the server's side.

#include "sim/round/strategy.hpp"

namespace shoal {

class Stage {
 public:
  virtual ~Stage() = default;
  /// Channels that the stage adds to those of the strategy.
  virtual std::vector<Channel> channels(const ParameterLayout&) const { return {}; }
  /// Called once, before the first round, with the stage's own state.
  virtual void init(State&, const ServerContext&) const {}
  /// Adds tensors that clients need to the message, where they count as download. Their names must differ from those of
  /// all other parts; two stages that use the same name are refused when they are composed.
  virtual void broadcast(const State&, Message&) const {}
  /// Changes the update of a block in place and fills the stage's own channels, which begin at index `own` of
  /// `update.channels`.
  virtual void client_side(const Message&, const ClientBlock&, UpdateBlock& /*update*/, std::size_t /*own*/) const {}
  /// Reads and may change the aggregate before the strategy gets it. The stage's own channels begin at index `own`.
  virtual void server_side(State&, Aggregate&, std::size_t /*own*/, const ServerContext&) const {}
};

template <>
std::span<const Part<Stage>> parts<Stage>();  // generated from strategies/stages

}  // namespace shoal
