#include "sim/round/channel.hpp"

namespace shoal {

std::int64_t Message::bytes() const {
  std::int64_t total = 0;
  for (const auto& [name, tensor] : tensors) total += tensor.nbytes();
  return total;
}

}  // namespace shoal
