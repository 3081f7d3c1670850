#pragma once
// Each client's examples, divided into those that it trains on and those that are held out.

#include <array>
#include <cstdint>
#include <memory>
#include <string_view>
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

/// The division of a federation's examples: a function of (seed, client), computed on request. The three sets of a
/// client's examples are disjoint and together contain all of them; a client with examples trains on at least one. No
/// client has examples in a set of another name.
class Holdout {
 public:
  static constexpr std::array<std::string_view, 3> sets{"train", "validation", "test"};

  Holdout(std::unique_ptr<ClientExamples> clients, HoldoutShares shares, std::uint64_t seed);

  std::int64_t clients() const { return clients_->clients(); }
  std::int64_t count(ClientId client, std::string_view set) const;
  /// Indices into `Dataset::train`.
  std::vector<std::int32_t> indices(ClientId client, std::string_view set) const;
  /// The same for all clients, in the order of their ids.
  std::vector<std::int32_t> all_indices(std::string_view set) const;
  bool holds_out(std::string_view set) const;

 private:
  std::unique_ptr<ClientExamples> clients_;
  HoldoutShares shares_;
  RandomKey key_;
};

}  // namespace shoal
