#include "sim/round/protocol.hpp"

namespace shoal {

bool contributes(const Participation& p, std::span<const ProtocolPhase> protocol) {
  if (p.outcome == Outcome::completes) return true;
  if (p.outcome < dropout_in(own_phases)) return false;
  const std::size_t phase = static_cast<std::size_t>(p.outcome) - static_cast<std::size_t>(dropout_in(own_phases));
  return phase < protocol.size() && !protocol[phase].binding;
}

}  // namespace shoal
