#include "sim/studies/rule_study.hpp"

#include <algorithm>

#include "sim/studies/rule_replicate.hpp"

namespace shoal {

using rule_world::users;

namespace {

enum class Order { joint, separate, fresh };

}  // namespace

RuleStudySettings::RuleStudySettings(const Settings& s) {
  const Order order =
      s.choice("users", Order::joint, {{"joint", Order::joint}, {"separate", Order::separate}, {"fresh", Order::fresh}},
               "interleaved on one policy; one after the other on one policy; or each with a new policy");
  joint = order == Order::joint;
  fresh = order == Order::fresh;
  directive = s.number("directive", 0.8, "probability that a correction says what was wrong", between(0, 1));
  batch = s.integer("batch", 16, "samples per update", between(1, 1 << 20));
  count_turns =
      s.choice("batch_of", false, {{"usable", false}, {"turns", true}},
               "what counts towards a batch: replies that the objective takes, or every judged turn, of which "
               "those that it does not take have no loss");
  rate = s.number("rate", 0.15, "learning rate of Adam; 0: no learning, the chance level", at_least(0));
  shared = s.number("shared", 0.5, "weight of the parameters that all users share", at_least(0));
  kl_to_teacher = s.flag("anchor", false, "KL penalty to the teacher for replies without a hint too, as published");
  live_teacher =
      s.choice("teacher", false, {{"frozen", false}, {"live", true}}, "the untrained policy, or the current one");
  rolled_old =
      s.choice("old", false, {{"trainer", false}, {"served", true}},
               "the policy in the denominator of importance ratios: the trainer's own, or the one that served");
  stack_hints = s.flag("stack_hints", true, "a hint adds to a rule that is in the context already");
  memory = s.flag("memory", false,
                  "a rule that its user has named stays in the context of later sessions: with rate = 0, an agent that "
                  "takes notes instead of learning");
  sessions = s.integer("sessions", 72, "sessions after which a user counts as never content", between(3, 100'000));
  updates = s.integer("updates", 0, "updates after which the study ends; 0: when all users are content",
                      between(0, RuleStudyOutcome::most_updates));
  if (updates > 0 && !joint)
    user_error("{}: 'updates' needs users who are interleaved. Leave out 'users' or 'updates'.", s.where());
}

std::vector<std::pair<std::string, std::int64_t>> RuleStudy::outcomes() const {
  return {{"sessions", users},
          {"censored", users},
          {"rule_rate", RuleStudyOutcome::most_updates + 1},
          {"updates_per_session", 1},
          {"survival", settings_.sessions + 1},
          {"kl", RuleStudyOutcome::most_updates + 1},
          {"judged", 1},
          {"voted", 1},
          {"hinted", 1},
          {"taken", 1},
          {"dropped", 1}};
}

RuleStudyOutcome RuleStudy::run_one(std::uint64_t seed, std::int64_t replicate) const {
  return rule_replicate(settings_, *objective_, *judge_, seed, replicate);
}

std::vector<double> RuleStudy::run(std::uint64_t seed, std::int64_t replicate) const {
  const RuleStudyOutcome outcome = run_one(seed, replicate);
  std::vector<double> all;
  for (const double x : outcome.sessions) all.push_back(x);
  for (const double x : outcome.censored) all.push_back(x);
  for (const double x : outcome.rule_rate) all.push_back(x);
  all.push_back(outcome.updates_per_session);
  const std::size_t survival = all.size();
  all.resize(survival + settings_.sessions + 1);
  for (std::size_t u = 0; u < users; ++u) {
    const std::int64_t content = std::llround(outcome.sessions[u]);
    const std::int64_t last = outcome.censored[u] > 0 ? settings_.sessions : content - 1;  // not yet content
    for (std::int64_t s = 0; s <= last; ++s) all[survival + s] += 1.0 / users;
  }
  for (const double x : outcome.kl) all.push_back(x);
  for (const double x : {outcome.judged, outcome.voted, outcome.hinted, outcome.taken, outcome.dropped})
    all.push_back(x);
  return all;
}

double RuleStudy::largest_outcome() const { return std::max<double>(Study::largest_outcome(), settings_.sessions); }

double RuleStudy::metric(const double* outcomes) const { return (outcomes[0] + outcomes[1] + outcomes[2]) / users; }

}  // namespace shoal
