#pragma once
// The common part of the protocols of masked sums: a session in which every client adds masks to integer words, and the
// server removes from their sum what does not cancel.

#include <functional>
#include <memory>
#include <mutex>

#include "sim/round/aggregator.hpp"
#include "sim/secure/graph_rule.hpp"
#include "sim/secure/masking_costs.hpp"
#include "sim/secure/masking_session.hpp"

namespace shoal {

/// A round's masked sums, one for each group of its clients, and how far these get as far as that is known before
/// training. Places are those in AggregationPlan::cohort.
class OpenMasking {
 public:
  using Rule = std::function<GraphRule(std::int64_t clients)>;
  OpenMasking(const AggregationPlan& plan, const Rule& rule, bool everyone, std::int64_t minimum);

  const RandomKey& key() const { return key_; }
  std::int64_t groups() const { return std::ssize(sessions_); }
  std::size_t group_of(std::size_t place) const { return seats_[place].group; }
  const std::vector<Reached>& reached() const { return reached_; }
  /// The reason why the sums cannot be released, or empty.
  std::string failure(std::span<const Reached> reached) const;
  /// The masks that the client at a place adds, and those that the server adds to remove what is left of it.
  std::vector<Mask> masks(std::size_t place);
  std::vector<Mask> removal(std::size_t place, const std::vector<std::vector<Reached>>& by_group);
  /// `reached` of each group's parties.
  std::vector<std::vector<Reached>> by_group(std::span<const Reached> reached) const;

 private:
  struct Seat {
    std::size_t group;
    Party party;
  };

  RandomKey key_;
  std::int64_t minimum_;
  std::vector<Reached> reached_;
  std::vector<Seat> seats_;
  std::vector<std::unique_ptr<MaskingSession>> sessions_;
  std::vector<std::vector<Reached>> reached_by_group_;
};

/// An aggregator whose clients mask their words. Derived parts say who is whose neighbour.
class MaskedAggregator : public Aggregator {
 public:
  void check(const Composition& all) const override;
  std::vector<std::string> notes(const Composition& all) const override;
  void report(const State& state, Measures& measures, Tables&) const override;
  std::vector<ProtocolPhase> phases(std::span<const Wire> wires, double expected_cohort) const override;
  std::optional<std::int64_t> bytes_up(std::span<const Wire> wires, double expected_cohort) const override;
  std::int64_t buckets(double) const override { return groups_; }
  bool gives_rows() const override { return groups_ > 1; }
  std::string refuses(const AggregationPlan& plan) const override;
  std::unique_ptr<Collector> open(const AggregationPlan& plan) const override;

 protected:
  /// `everyone`: all clients are neighbours of each other, and hold a share of their own secrets too.
  MaskedAggregator(const Settings& settings, bool everyone);

  /// Nothing if no graph of so many clients does what is asked. They are a random part of `cohort` clients.
  virtual std::optional<GraphRule> rule(std::int64_t clients, std::int64_t cohort) const = 0;
  /// The demand of the rule, for messages.
  virtual std::string demand() const = 0;

 private:
  // The clients of the smallest group.
  std::int64_t group_size(std::int64_t cohort) const { return cohort / groups_; }
  MaskingSize size(std::span<const Wire> wires, const GraphRule& rule) const;
  std::shared_ptr<OpenMasking> session_of(const AggregationPlan& plan) const;

  bool everyone_;
  int bits_;
  std::int64_t minimum_, groups_;
  bool executed_;
  std::string where_;
  // All threads of a rank work on one session; it ends with the last of their collectors.
  mutable std::mutex mutex_;
  mutable std::weak_ptr<OpenMasking> newest_;
};

}  // namespace shoal
