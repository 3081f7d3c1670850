#include "sim/round/attack.hpp"

namespace shoal {

std::vector<std::int64_t> malicious_among(std::span<const Participation> block, const Attack& attack) {
  std::vector<std::int64_t> malicious;
  for (std::size_t k = 0; k < block.size(); ++k) {
    if (attack.is_malicious(block[k].client, block[k].round)) malicious.push_back(k);
  }
  return malicious;
}

void corrupt(const Attack& attack, const Message& message, ClientBlock& clients, UpdateBlock& update,
             const PartContext& context) {
  const std::vector<std::int64_t> malicious = malicious_among(context.block, attack);
  if (!malicious.empty()) attack.corrupt(message, clients, update, malicious, context);
}

}  // namespace shoal
