#pragma once
// One policy that learns from three users while it serves them: how many sessions until each is content?

#include <array>
#include <memory>
#include <vector>

#include "sim/agents/judge.hpp"
#include "sim/agents/objective.hpp"
#include "sim/agents/rule_world.hpp"
#include "sim/agents/study.hpp"

namespace shoal {

struct RuleStudySettings {
  explicit RuleStudySettings(const Settings& s);

  bool joint, fresh;      ///< users at once; one after the other with a new policy each
  double directive;       ///< probability that a correction says what should have been different
  std::int64_t batch;     ///< samples of an update
  bool count_turns;       ///< turns that the objective does not take fill places of the batch too
  double rate;            ///< of Adam
  double shared;          ///< weight of the parameters that users share
  bool kl_to_teacher;     ///< replies without a hint have a KL penalty to the teacher, as published
  bool live_teacher;      ///< the teacher is the policy of now, not the untrained one
  bool rolled_old;        ///< pi_old is the policy that served, not the trainer's own
  bool stack_hints;       ///< a hint counts where its rule stands in the context already
  bool memory;            ///< a rule that its user has named stays in the context of later sessions
  std::int64_t sessions;  ///< cap
  std::int64_t updates;   ///< 0: until all users are content; otherwise go on until so many
};

/// What one replicate found.
struct RuleStudyOutcome {
  static constexpr int most_updates = 16;
  std::array<double, rule_world::users>
      sessions{};  ///< the third of three in a row whose first reply complied, or the cap
  std::array<double, rule_world::users> censored{};  ///< 1 where there were no three in a row
  /// Mean probability over the users that the first reply complies, after 0 .. 16 updates; the last one reached goes
  /// on.
  std::array<double, most_updates + 1> rule_rate{};
  double updates_per_session = 0;  ///< updates over sessions of the user with most
  /// Mean over the users of the KL divergence of the policy to the untrained one, per token in nats, after 0 .. 16
  /// updates; without a rule in the context.
  std::array<double, most_updates + 1> kl{};
  /// What became of the judged turns, each per session: judged = taken + dropped.
  double judged = 0, voted = 0, hinted = 0;  ///< all; with a vote that is not a tie; with a hint
  double taken = 0, dropped = 0;             ///< by the objective: into a batch, or for want of a signal
};

/// A session: up to 8 replies until one complies, each failure corrected, then two turns with tools. The policy's
/// logits are log p_base + theta_user + shared theta_shared, plus the rule's vector from the first correction of the
/// session on. Serving runs one version behind training: when a batch is full, it takes the weights trained on the
/// batch before. The setting follows the personal agents of OpenClaw-RL (arXiv 2603.10165).
class RuleStudy final : public Study {
 public:
  RuleStudy(const Settings& settings, std::unique_ptr<Objective> objective, std::unique_ptr<Judge> judge)
      : settings_(settings), objective_(std::move(objective)), judge_(std::move(judge)) {}

  /// RuleStudyOutcome, member by member; and `survival` [cap + 1], the share of users who are not yet content after 0,
  /// 1, ... sessions: its mean over replicates is the survival curve, and the sum of all but its last value is the mean
  /// of `sessions` (the restricted mean).
  std::vector<std::pair<std::string, std::int64_t>> outcomes() const override;
  std::vector<double> run(std::uint64_t seed, std::int64_t replicate) const override;
  /// Mean sessions over the users.
  double metric(const double* outcomes) const override;
  RuleStudyOutcome run_one(std::uint64_t seed, std::int64_t replicate) const;

 private:
  RuleStudySettings settings_;
  std::unique_ptr<Objective> objective_;
  std::unique_ptr<Judge> judge_;
};

}  // namespace shoal
