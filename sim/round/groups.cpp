#include "sim/round/groups.hpp"

#include "sim/round/federation.hpp"

namespace shoal {

Groups::Groups(const Federation& federation, FederationState& state)
    : federation_(federation), state_(state), bytes_(federation.groups(), -1) {}

std::int32_t Groups::of(ClientId client) const {
  const std::int32_t variant = federation_.task->variant(client);
  const std::int32_t group = federation_.strategy->group_of(state_.strategy(), client, variant);
  ensure(group >= 0 && group < std::ssize(bytes_), "client {} is in group {} of {}", value(client), group,
         bytes_.size());
  ensure(federation_.strategy->variant_of(group) == variant, "client {} trains variant {} in group {}", value(client),
         variant, group);
  return group;
}

std::int64_t Groups::bytes_up(std::int32_t group) const { return state_.client_side.expected_bytes_up(group); }

std::int64_t Groups::bytes(std::int32_t group) const {
  if (bytes_[group] < 0) {
    const Message& message = newest_message(federation_, state_, group);
    if (message.wire_bytes || !message.bytes_since.empty()) {
      user_error(
          "[[stages]] compress the downloads of '{}', which has {} groups of clients. Leave out the stage, or use "
          "another strategy.",
          federation_.strategy->name(), bytes_.size());
    }
    bytes_[group] = download_bytes(federation_, message);
  }
  return bytes_[group];
}

}  // namespace shoal
