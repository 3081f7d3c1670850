#pragma once
// What the protocols of masked sums share: a session in which every client adds masks to integer words, and the server
// removes from their sum what does not cancel.

#include <memory>
#include <mutex>

#include "sim/round/aggregator.hpp"
#include "sim/secure/graph_rule.hpp"
#include "sim/secure/masking_costs.hpp"
#include "sim/secure/masking_session.hpp"

namespace shoal {

/// A session and how far its parties get, as far as that is known before training.
struct OpenMasking {
  OpenMasking(const AggregationPlan& plan, const GraphRule& rule, bool everyone, std::int64_t minimum, bool executed);

  MaskingSession session;
  std::vector<Reached> reached;
  RandomKey key;  // identifies the session, with the cohort's size
  std::int64_t minimum;
  bool executed;

  /// The reason why the sum cannot be released, or empty.
  std::string failure(std::span<const Reached> now) const;
};

/// An aggregator whose clients mask their words. Derived parts say who is whose neighbour.
class MaskedAggregator : public Aggregator {
 public:
  void check(const Composition& all) const override;
  std::vector<std::string> notes(const Composition& all) const override;
  void report(const State& state, Measures& measures, Tables&) const override;
  std::vector<ProtocolPhase> phases(std::span<const Wire> wires, double expected_cohort) const override;
  std::string refuses(const AggregationPlan& plan) const override;
  std::unique_ptr<Collector> open(const AggregationPlan& plan) const override;

 protected:
  /// `everyone`: all clients are neighbours of each other, and hold a share of their own secrets too.
  MaskedAggregator(const Settings& settings, bool everyone);

  /// Nothing if no graph of so many clients does what is asked.
  virtual std::optional<GraphRule> rule(std::int64_t clients) const = 0;
  /// What the rule is asked for, for messages.
  virtual std::string demand() const = 0;

 private:
  MaskingSize size(std::span<const Wire> wires, const GraphRule& rule) const;
  std::shared_ptr<OpenMasking> session_of(const AggregationPlan& plan) const;

  bool everyone_;
  int bits_;
  std::int64_t minimum_;
  bool executed_;
  std::string where_;
  // All threads of a rank work on one session; it ends with the last of their collectors.
  mutable std::mutex mutex_;
  mutable std::weak_ptr<OpenMasking> newest_;
};

}  // namespace shoal
