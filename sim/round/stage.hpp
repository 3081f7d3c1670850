#pragma once
// A stage changes updates between client and server. Stages run in order on the client's side and in reverse order on
// the server's side.

#include "sim/nn/word_rows.hpp"
#include "sim/round/strategy.hpp"
#include "sim/round/wire.hpp"

namespace shoal {

class Stage : public RoundPart {
 public:
  /// Declares what the stage does to the channels: it may append channels of its own, tighten the bounds of others and
  /// make their weights uniform. `all` holds the channels of the strategy and of the stages before this one. Its own
  /// channels get the section's name in front, see `scoped`.
  virtual void declare(std::vector<Channel>& /*all*/, const ParameterLayout&) const {}
  /// Changes the update of a block in place and fills the stage's own channels. Client memory is the stage's own.
  virtual void client_side(const Message&, ClientBlock&, UpdateBlock&, const PartContext&) const {}
  /// Whether the stage works on integers, between quantization and the sum or mask: noise that is added there is part
  /// of what clients send. Such noise has to be counted in the bounds that `declare` sets, so that no sum overflows.
  virtual bool works_in_ring() const { return false; }
  /// Changes the words of a channel in place: dense integers, the word q standing for q 2^-exponent, that hold the
  /// clients' weights already. Called for each channel that does not need a mean; the key is that of the stage and
  /// channel.
  virtual void in_ring(const Wire&, WordRows& /*words*/, const PartContext&) const {}
  /// Reads and may change the aggregate before the strategy gets it.
  virtual void server_side(State&, Aggregate&, const ServerContext&) const {}
  /// Learns which updates of the round were accepted (`context.feedback`), before the server's side and its step.
  /// Called in abandoned rounds too, which have neither.
  virtual void observe(State&, const ServerContext&) const {}
};

template <>
std::span<const Part<Stage>> parts<Stage>();  // generated from strategies/stages

}  // namespace shoal
