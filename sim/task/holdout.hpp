#pragma once
// Each client's examples, divided into those that it trains on and those that are held out.

#include <cstdint>
#include <memory>
#include <vector>

#include "sim/random.hpp"
#include "sim/settings/settings.hpp"
#include "sim/task/data.hpp"
#include "sim/task/task.hpp"

namespace shoal {

/// Shares of every client's examples that are kept from its training.
struct HoldoutShares {
  double validation = 0, test = 0;

  HoldoutShares() = default;
  /// Reads `validation` and `test` of [data]; UserError when nothing is left to train on.
  explicit HoldoutShares(const Settings& data);
};

/// The division of a federation's examples: a function of (seed, client), computed on request. The three splits of a
/// client are disjoint and together contain all its examples; a client with examples trains on at least one.
class Holdout {
 public:
  Holdout(std::unique_ptr<ClientExamples> clients, HoldoutShares shares, std::uint64_t seed);

  std::int64_t clients() const { return clients_->clients(); }
  std::int64_t count(ClientId client, Split split) const;
  /// Indices into `Dataset::train`.
  std::vector<std::int32_t> indices(ClientId client, Split split) const;
  /// The same for all clients, in the order of their ids.
  std::vector<std::int32_t> all_indices(Split split) const;
  bool holds_out(Split split) const;

 private:
  std::unique_ptr<ClientExamples> clients_;
  HoldoutShares shares_;
  RandomKey key_;
};

}  // namespace shoal
