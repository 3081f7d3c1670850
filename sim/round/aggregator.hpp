#pragma once
// An aggregator combines many updates into one: by an exact sum, a sum under masks, or a robust rule over rows.

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "sim/comm/communicator.hpp"
#include "sim/round/planner.hpp"
#include "sim/round/protocol.hpp"
#include "sim/round/row_set.hpp"
#include "sim/round/wire.hpp"

namespace shoal {

/// The integer scale of one channel. It is chosen from the plan, before training, so that no sum can overflow:
/// total weight * bound * 2^exponent < 2^62.
struct ChannelScale {
  int exponent = 0;
  double weight_unit = 1;  // 1 if all weights are integers, else 2^-24
};

/// Facts about the session of a round, in which its updates are combined, that are known before training.
struct AggregationPlan {
  std::vector<Wire> wires;                // per channel, of group 0
  std::vector<ChannelScale> scales;       // per channel
  std::vector<double> total_weight;       // per channel: no sum of the clients' weights is larger
  std::vector<Participation> cohort;      // those that end with the round, committed or not, by id
  std::vector<std::size_t> contributing;  // places in `cohort` of those whose updates are added unless rejected
  Divisor divisor = Divisor::committed_weights;
  std::int64_t round = 1;
  std::int32_t groups = 1;           // number of sums that are kept apart
  RandomKey key{};                   // belongs to the aggregator and the round
  at::ScalarType type = at::kFloat;  // type of the means
  at::Device device = at::kCPU;      // device of the sums and the means

  // Sums of each group that are kept apart as rows for rules, and the bucket of each member of `cohort`: a random
  // choice, as even as possible. Empty where there is one.
  std::int64_t buckets = 1;
  std::vector<std::int64_t> bucket{};

  std::vector<std::vector<Wire>> group_wires{};  // per group, where groups train different variants of the model

  const std::vector<Wire>& wires_of(std::int32_t group) const {
    return group_wires.empty() ? wires : group_wires[group];
  }
  at::TensorOptions options() const { return at::TensorOptions(type).device(device); }
};

/// The updates of a block's clients, accepted and rejected ones, with integer weights. Words that a stage has worked on
/// in the ring hold their weights already and have the factor 1.
struct Contribution {
  std::vector<Rows> channels;                      // [K, size] each
  std::vector<std::vector<std::int64_t>> weights;  // [channel][K], factors of the values, in the channel's weight unit
  std::vector<std::vector<std::int64_t>> shares;   // [channel][K], terms of the divisor in the same unit; see Divisor
  std::vector<bool> accepted;                      // [K]
  std::vector<Participation> block;                // [K]
  std::vector<std::int32_t> groups{};              // [K], where there are several groups

  /// The group in whose sum the update of client k counts.
  std::int32_t group(std::size_t k) const { return groups.empty() ? 0 : groups[k]; }
};

/// The outcome of a session, the same on every rank.
struct Intake {
  /// One aggregate per group, with an entry for each channel. Where there are rows, the mean of a channel that is in
  /// them is undefined.
  std::vector<Aggregate> sums;
  /// The rows of the accepted clients: their values in the channels that need no mean, one after the other.
  std::optional<RowSet> rows{};
  /// The reason if the session has failed: the round is abandoned, and no client's memory changes. Otherwise empty.
  std::string aborted{};
};

/// Gathers the contributions of one round on one thread.
class Collector {
 public:
  virtual ~Collector() = default;
  virtual void add(const Contribution& contribution) = 0;
  /// Adds what another thread of this rank has collected.
  virtual void merge(Collector& other) = 0;
  /// Ends the session over all ranks: the round's only bulk communication. Collective. `state` is the aggregator's own.
  virtual Intake finish(Communicator& comm, ThreadPool& pool, State& state) = 0;
};

class Aggregator : public RoundPart {
 public:
  /// An empty collector for one thread and round. The plan must outlive it.
  virtual std::unique_ptr<Collector> open(const AggregationPlan& plan) const = 0;
  /// True if the aggregator compares clients' updates with each other instead of adding them. It then gets decoded
  /// updates, and a codec that can only decode sums is refused when the parts are composed.
  virtual bool needs_rows() const { return false; }
  /// True if a session ends with rows, which attacks and rules then change.
  virtual bool gives_rows() const { return false; }
  /// The number of buckets into which a session divides its cohort (AggregationPlan::bucket) and whose sums it keeps
  /// apart, each a row that belongs to no client: rules then work although no single update is seen.
  virtual std::int64_t buckets(double /*expected_cohort*/) const { return 1; }
  /// True if a session keeps the sums of several groups apart, or the rows say whose they are.
  virtual bool keeps_groups() const { return false; }
  /// False if the aggregate of a channel is not its weighted mean.
  virtual bool gives_means() const { return true; }
  /// Phases that the aggregator's protocol adds to every participation, those before the download first. They take
  /// time, energy and bytes, which may depend on what is summed and on the expected number of clients, and clients can
  /// drop out in them: Outcome numbers them after the upload, in this order. A client that drops out in a binding one
  /// is not committed.
  virtual std::vector<ProtocolPhase> phases(std::span<const Wire>, double /*expected_cohort*/) const { return {}; }
  /// The bytes that each client sends for these wires where they do not follow from the codecs: under masks every value
  /// is a word of the ring, whatever the codecs have left of it. The clock, the plan and the record then count these.
  virtual std::optional<std::int64_t> bytes_up(std::span<const Wire>, double /*expected_cohort*/) const { return {}; }
  /// The reason why a session of these participations cannot succeed, or empty. Asked before training: the round is
  /// then abandoned, and no client's memory changes.
  virtual std::string refuses(const AggregationPlan&) const { return {}; }
  /// False if the result depends on the number of ranks; the run file then says so.
  virtual bool reproducible() const { return true; }
};

template <>
std::span<const Part<Aggregator>> parts<Aggregator>();  // generated from strategies/aggregators

}  // namespace shoal
