#pragma once
// A study of one policy that learns from three users while it serves them: how many sessions until each is content?

#include <array>
#include <memory>
#include <vector>

#include "sim/agents/judge.hpp"
#include "sim/agents/objective.hpp"
#include "sim/studies/rule_world.hpp"
#include "sim/studies/study.hpp"

namespace shoal {

struct RuleStudySettings {
  explicit RuleStudySettings(const Settings& s);

  bool joint;             // users are interleaved on one policy
  bool fresh;             // users come one after the other, each with a new policy
  double directive;       // probability that a correction says what should have been different
  std::int64_t batch;     // samples per update
  bool count_turns;       // turns that the objective does not take count towards the batch too
  double rate;            // learning rate of Adam
  double shared;          // weight of the parameters that users share
  bool kl_to_teacher;     // replies without a hint have a KL penalty to the teacher, as published
  bool live_teacher;      // the teacher is the current policy, not the untrained one
  bool rolled_old;        // pi_old is the policy that served, not the trainer's own
  bool stack_hints;       // a hint counts even where a rule is in the context already
  bool memory;            // a rule that its user has named stays in the context of later sessions
  std::int64_t sessions;  // largest number of sessions of a user
  std::int64_t updates;   // updates after which the study ends; 0: it ends when all users are content
};

/// The outcome of one replicate.
struct RuleStudyOutcome {
  static constexpr int most_updates = 16;
  using PerUser = std::array<double, rule_world::users>;
  using PerUpdate = std::array<double, most_updates + 1>;  // after 0 .. 16 updates; the last one measured is repeated

  PerUser sessions{};     // the third of three sessions in a row whose first reply complied, or the largest number
  PerUser censored{};     // 1 where there were no three in a row
  PerUpdate rule_rate{};  // mean probability over the users that the first reply complies
  double updates_per_session = 0;  // updates per session of the user with the most sessions
  PerUpdate kl{};  // mean KL divergence to the untrained policy, per token in nats, without a rule in the context
  // Judged turns per session: all; those whose vote is not a tie; those with a hint. judged = taken + dropped.
  double judged = 0, voted = 0, hinted = 0;
  double taken = 0, dropped = 0;  // taken into a batch by the objective, or dropped for lack of a signal
};

/// A session: up to 8 replies until one complies, each failure corrected, then two turns with tools. The policy's
/// logits are log p_base + theta_user + shared theta_shared, plus the rule's vector from the first correction of the
/// session on. Serving runs one version behind training: when a batch is full, serving takes the weights trained on
/// the batch before. The setting follows the personal agents of OpenClaw-RL (arXiv 2603.10165).
class RuleStudy final : public Study {
 public:
  RuleStudy(const Settings& settings, std::unique_ptr<Objective> objective, std::unique_ptr<Judge> judge)
      : settings_(settings), objective_(std::move(objective)), judge_(std::move(judge)) {}

  /// The members of RuleStudyOutcome, and `survival` [sessions + 1], the share of users who are not yet content after
  /// 0, 1, ... sessions: its mean over replicates is the survival curve, and the sum of all but its last value is the
  /// mean of `sessions` (the restricted mean).
  std::vector<std::pair<std::string, std::int64_t>> outcomes() const override;
  std::vector<double> run(std::uint64_t seed, std::int64_t replicate) const override;
  double largest_outcome() const override;
  std::string metric_name() const override { return "sessions"; }
  std::string metric_unit() const override { return "sessions until content"; }
  /// Mean sessions over the users.
  double metric(const double* outcomes) const override;
  RuleStudyOutcome run_one(std::uint64_t seed, std::int64_t replicate) const;

 private:
  RuleStudySettings settings_;
  std::unique_ptr<Objective> objective_;
  std::unique_ptr<Judge> judge_;
};

}  // namespace shoal
