#pragma once
// The form in which a channel travels: how codecs change its width and bounds, and how many bytes each client sends.

#include "sim/round/channel.hpp"

namespace shoal {

/// The places of a row that carry values.
enum class Support : std::int8_t {
  dense,           // all
  common,          // a choice that is the same for all clients of a round and does not depend on their data
  data_dependent,  // each client's own choice, which reveals something about its data
};

/// The form in which one channel is sent and summed. It follows from the composed parts and is known before training.
struct Wire {
  Channel channel;  // as it is summed: its size and bound are those of the words
  Support support = Support::dense;
  // Per client.
  std::int64_t values = 0;          // values that a row stores
  std::int64_t index_bytes = 0;     // sent beside the values, to say where they belong
  std::int64_t expected_bytes = 0;  // in all, as the virtual clock counts them before training
  std::int64_t largest_bytes = 0;   // never exceeded by the exact count
  int ring_bits = 0;                // the words are integers of this width; 0: real values
};

/// A channel that is sent as it is.
inline Wire plain_wire(Channel channel, at::ScalarType type) {
  const std::int64_t bytes = channel.size * at::elementSize(type);
  const std::int64_t size = channel.size;
  return {.channel = std::move(channel), .values = size, .expected_bytes = bytes, .largest_bytes = bytes};
}

/// The channels as they are summed.
inline std::vector<Channel> channels_of(std::span<const Wire> wires) {
  std::vector<Channel> channels;
  for (const Wire& wire : wires) channels.push_back(wire.channel);
  return channels;
}

}  // namespace shoal
