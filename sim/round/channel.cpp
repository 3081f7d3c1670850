#include "sim/round/channel.hpp"

#include "sim/error.hpp"

namespace shoal {

std::int64_t Message::bytes() const {
  if (wire_bytes) return *wire_bytes;
  std::int64_t total = 0;
  for (const auto& [name, tensor] : tensors) total += tensor.nbytes();
  return total;
}

std::size_t index_of(std::span<const Channel> channels, std::string_view name) {
  for (std::size_t c = 0; c < channels.size(); ++c) {
    if (channels[c].name == name) return c;
  }
  throw BrokenInvariant(fmt::format("no channel is called '{}'", name));
}

}  // namespace shoal
