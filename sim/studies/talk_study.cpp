#include "sim/studies/talk_study.hpp"

#include <numeric>

namespace shoal {
namespace {

using pipeline::Quality;
using talk::Rule;

constexpr int kinds = 3;  // rules that do not contradict each other

std::vector<talk::User> read_users(const Settings& s) {
  const std::int64_t count = s.integer("users", kinds, "users who share the policy", between(1, 100'000));
  const double two = s.number("two_rules", 0, "share of the users, from the first, who have two rules", between(0, 1));
  const double against = s.number(
      "conflicts", 0, "share of the users, from the last, who want the opposite of what the first want", between(0, 1));
  const auto share = [&](double x) { return std::llround(x * count); };
  const std::int64_t opposed = count - share(against);
  std::vector<talk::User> users;
  for (std::int64_t i = 0; i < count; ++i) {
    const bool opposes = i >= opposed;
    const auto rule = [&](std::int64_t place) {
      const Rule plain = static_cast<Rule>(place % kinds);
      return opposes ? talk::opposite(plain) : plain;
    };
    const std::int64_t place = opposes ? i - opposed : i;
    users.push_back({.topic = static_cast<int>(i % talk::topics), .rules = {rule(place)}});
    if (i < share(two)) users.back().rules.push_back(rule(place + 1));
  }
  return users;
}

pipeline::UserPool read_pool(const Settings& s) {
  return {.users = read_users(s),
          .behaviour = talk::UserBehaviour(s),
          .temperature = s.number("temperature", 1, "temperature at which replies are sampled and trained", positive()),
          .sessions =
              s.integer("sessions", 72, "sessions after which a user counts as never content", between(3, 100'000))};
}

using Outcome = std::pair<std::string, std::vector<double>>;

void add(std::vector<Outcome>& all, std::string name, double value) {
  all.emplace_back(std::move(name), std::vector{value});
}

void add_sessions(std::vector<Outcome>& all, const std::vector<std::int64_t>& content_at, std::int64_t most) {
  const double users = content_at.size();
  std::vector<double> sessions, censored, survival(most + 1);
  for (const std::int64_t at : content_at) {
    sessions.push_back(at > 0 ? at : most);
    censored.push_back(at > 0 ? 0 : 1);
    for (std::int64_t s = 0; s <= most; ++s) {
      if (at == 0 || s < at) survival[s] += 1 / users;
    }
  }
  all.emplace_back("sessions", sessions);
  all.emplace_back("censored", censored);
  all.emplace_back("survival", survival);
}

void add_quality(std::vector<Outcome>& all, std::span<const Quality> quality) {
  const auto add = [&](const char* name, double Quality::*member) {
    std::vector<double> values;
    for (const Quality& q : quality) values.push_back(q.*member);
    all.emplace_back(name, values);
  };
  add("rule_rate", &Quality::rule_rate);
  add("correctness", &Quality::correctness);
  add("kl", &Quality::kl);
  add("entropy", &Quality::entropy);
  add("length", &Quality::length);
}

void add_turns(std::vector<Outcome>& all, const pipeline::Result& r) {
  add(all, "produced", r.produced);
  add(all, "consumed", r.consumed);
  for (std::size_t i = 0; i < pipeline::reasons.size(); ++i) {
    add(all, "dropped_" + std::string(pipeline::reasons[i]), r.dropped[i]);
  }
  add(all, "resident", r.resident);
}

void add_serving(std::vector<Outcome>& all, const pipeline::Result& r) {
  add(all, "requests", r.serving.requests);
  add(all, "refused", r.serving.refused);
  add(all, "gave_up", r.gave_up);
  add(all, "malformed_requests", r.serving.malformed);
  add(all, "pauses", r.serving.pauses);
  add(all, "interrupted", r.serving.interrupted);
  add(all, "stall_seconds", seconds(r.serving.stalled));
  add(all, "serving_latency", r.served > 0 ? seconds(r.latency) / r.served : 0);
}

void add_collection_and_judging(std::vector<Outcome>& all, const pipeline::Result& r) {
  add(all, "side_turns", r.collection.side);
  add(all, "unfollowed", r.collection.last);
  add(all, "duplicates", r.collection.duplicated);
  add(all, "late", r.collection.late);
  add(all, "votes_positive", r.judging.positive);
  add(all, "votes_negative", r.judging.negative);
  add(all, "votes_neutral", r.judging.neutral);
  add(all, "votes_void", r.judging.failed + r.judging.timed_out);
  add(all, "hints", r.judging.hints);
}

void add_run(std::vector<Outcome>& all, const pipeline::Result& r) {
  add(all, "queue_longest", r.longest_queue);
  add(all, "idle_serving", r.idle_serving);
  add(all, "idle_judge", r.idle_judge);
  add(all, "idle_trainer", r.idle_trainer);
  add(all, "rejected", r.training.rejected);
  add(all, "all_negative", r.training.all_negative);
  add(all, "gradient_alarms", r.training.alarms + r.training.skipped);
  add(all, "updates", r.updates);
  add(all, "hours", seconds(r.end) / 3600);
}

// Names and numbers of a result, in the order of the outcomes.
std::vector<Outcome> outcomes_of(const pipeline::Result& r, const HintGain& gain, std::int64_t most_sessions) {
  std::vector<Outcome> all;
  add_sessions(all, r.content_at, most_sessions);
  add_quality(all, r.quality);
  all.emplace_back("staleness", std::vector<double>(r.training.staleness.begin(), r.training.staleness.end()));
  add_turns(all, r);
  add_serving(all, r);
  add_collection_and_judging(all, r);
  add_run(all, r);
  all.emplace_back("hint_gain", std::vector{gain.mean, gain.low, gain.high});
  return all;
}

}  // namespace

TalkStudy::TalkStudy(const Settings& task, const Settings& pipeline, std::unique_ptr<Policy> policy,
                     std::unique_ptr<Objective> objective, std::unique_ptr<Judge> judge)
    : policy_(std::move(policy)),
      objective_(std::move(objective)),
      judge_(std::move(judge)),
      pool_(read_pool(task)),
      learning_(task),
      updates_(task.integer("updates", 0, "updates after which a run ends; 0: when all users are content",
                            between(0, 1'000'000))),
      probes_(task.integer("probes", 8,
                           "questions per user on which weights are measured, after each of the first 16 updates",
                           between(0, pipeline::most_turns))),
      pipeline_(pipeline),
      initial_(policy_->initial_parameters()) {
  if (pipeline_.clients.silent > std::ssize(pool_.users)) {
    user_error("{}: there are {} silent users (of {}). Set 'silent' to {} or less.", pipeline.where(),
               pipeline_.clients.silent, pool_.users.size(), pool_.users.size());
  }
}

std::vector<std::pair<std::string, std::int64_t>> TalkStudy::outcomes() const {
  pipeline::Result nothing;
  nothing.content_at.resize(pool_.users.size());
  std::vector<std::pair<std::string, std::int64_t>> names;
  for (const auto& [name, values] : outcomes_of(nothing, {}, pool_.sessions))
    names.emplace_back(name, std::ssize(values));
  return names;
}

std::vector<double> TalkStudy::run(std::uint64_t seed, std::int64_t replicate) const {
  const pipeline::Setup setup{.policy = *policy_,
                              .objective = *objective_,
                              .judge = *judge_,
                              .initial = initial_,
                              .pool = pool_,
                              .pipeline = pipeline_,
                              .learning = learning_,
                              .updates = updates_,
                              .questions = probes_};
  std::call_once(measured_, [&] { gain_ = hint_gain(*policy_, initial_, seed); });
  std::vector<double> all;
  const pipeline::Result result = pipeline::run(setup, seed, replicate);
  for (const auto& [name, values] : outcomes_of(result, gain_, pool_.sessions)) {
    all.insert(all.end(), values.begin(), values.end());
  }
  return all;
}

double TalkStudy::metric(const double* outcomes) const {
  const std::size_t users = pool_.users.size();
  return std::accumulate(outcomes, outcomes + users, 0.0) / users;
}

}  // namespace shoal
