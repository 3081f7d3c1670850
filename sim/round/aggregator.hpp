#pragma once
// How the updates of many clients become one: exact sums, sums under masks, robust rules over rows.

#include <memory>
#include <span>

#include "sim/comm/communicator.hpp"
#include "sim/round/channel.hpp"
#include "sim/round/protocol.hpp"
#include "sim/settings/part.hpp"

namespace shoal {

/// The integer scale of one channel, chosen from the plan before training so that no sum can overflow:
/// total weight * bound * 2^exponent < 2^62.
struct ChannelScale {
  int exponent = 0;
  double weight_unit = 1;  // 1, or 2^-24 where weights are real
};

/// What is known of a round's sums before training.
struct AggregationPlan {
  std::vector<Channel> channels;
  std::vector<ChannelScale> scales;  // per channel
  at::ScalarType type = at::kFloat;  // of the means
  at::Device device = at::kCPU;      // of the sums and the means

  at::TensorOptions options() const { return at::TensorOptions(type).device(device); }
};

/// Accepted and rejected clients of one block, with integer weights.
struct Contribution {
  std::vector<Rows> channels;                      // [K, size] each
  std::vector<std::vector<std::int64_t>> weights;  // [channel][K], in the channel's weight unit: multiply the values
  std::vector<std::vector<std::int64_t>> shares;   // [channel][K], same unit: what the sum is divided by; see Divisor
  std::vector<bool> accepted;                      // [K]
  std::vector<ClientId> clients;                   // [K]; robust rules break ties by it
};

/// Gathers the contributions of one round at one thread.
class Collector {
 public:
  virtual ~Collector() = default;
  virtual void add(const Contribution& contribution) = 0;
  /// Adds what another thread of this rank has collected.
  virtual void merge(Collector& other) = 0;
  /// The round's only bulk communication. Collective; the same on every rank; one aggregate per group.
  virtual std::vector<Aggregate> finish(Communicator& comm) = 0;
};

class Aggregator {
 public:
  virtual ~Aggregator() = default;
  virtual std::unique_ptr<Collector> open(const AggregationPlan& plan) const = 0;
  /// True if it compares clients' updates with each other instead of adding them. It then gets decoded updates, and a
  /// codec that can only decode sums is refused at start-up.
  virtual bool needs_rows() const { return false; }
  /// False if the aggregate of a channel is something else than its weighted mean.
  virtual bool gives_means() const { return true; }
  /// Phases that its protocol adds to every participation, those before the download first. They take time, energy and
  /// bytes, and clients drop out in them as in others: Outcome numbers them after the upload, in this order. A client
  /// that drops out in one of them is not committed.
  virtual std::vector<ProtocolPhase> phases() const { return {}; }
  /// False if the result depends on the number of ranks, which run files then say.
  virtual bool reproducible() const { return true; }
};

template <>
std::span<const Part<Aggregator>> parts<Aggregator>();  // generated from strategies/aggregators

}  // namespace shoal
