#pragma once
// An attack: which clients are malicious, and what they send in place of their updates.

#include <functional>
#include <span>
#include <vector>

#include "sim/round/client_block.hpp"
#include "sim/round/part.hpp"
#include "sim/round/row_set.hpp"

namespace shoal {

/// Facts that an attack on the rows may use besides them. The same on every rank.
struct AttackContext {
  std::int64_t round = 1;
  RandomKey key{};  // belongs to this attack and round
  /// The aggregate [d] that the server's rules would make of these rows, on copies of the rows and of the rules'
  /// states; collective. Empty where there are no rules.
  std::function<at::Tensor(const RowSet&)> defend{};
};

/// Malicious clients train as all others do; the attack then replaces what they send.
class Attack : public RoundPart {
 public:
  /// Whether the client is malicious in a participation that it starts in the round.
  virtual bool is_malicious(ClientId client, std::int64_t round) const = 0;
  /// Changes the updates of the malicious clients of a block in place, after the stages that the attack evades;
  /// `malicious` are their numbers in the block. Sees their own updates only and works under any aggregator.
  virtual void corrupt(const Message&, ClientBlock&, UpdateBlock&, std::span<const std::int64_t> /*malicious*/,
                       const PartContext&) const {}
  /// Whether the attack looks at the rows of several clients; only then they are kept.
  virtual bool wants_rows() const { return false; }
  /// Changes the rows with the numbers `malicious`, and no others, before the server's rules; collective.
  virtual void craft(RowSet&, std::span<const std::int64_t> /*malicious*/, State&, const AttackContext&) const {}
};

/// The places of malicious clients among participations, each by the round of its start.
std::vector<std::int64_t> malicious_among(std::span<const Participation> block, const Attack& attack);
/// Lets the attack change the updates of the malicious clients of a block, if it has any.
void corrupt(const Attack& attack, const Message& message, ClientBlock& clients, UpdateBlock& update,
             const PartContext& context);

template <>
std::span<const Part<Attack>> parts<Attack>();  // generated from strategies/attacks

}  // namespace shoal
