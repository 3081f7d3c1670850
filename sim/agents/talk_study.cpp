#include "sim/agents/talk_study.hpp"

#include <numeric>

namespace shoal {
namespace {

using pipeline::Quality;
using talk::Rule;

constexpr int kinds = 3;  // of rules that do not contradict each other

std::vector<talk::User> read_users(const Settings& s) {
  const std::int64_t count = s.integer("users", kinds, "how many share the policy", between(1, 100'000));
  const double two = s.number("two_rules", 0, "share of the users, from the first, who want two things", between(0, 1));
  const double against = s.number("conflicts", 0,
                                  "share of the users, from the last, who want the opposite of what the "
                                  "first ones want",
                                  between(0, 1));
  const auto share = [&](double x) { return std::llround(x * static_cast<double>(count)); };
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
          .temperature = s.number("temperature", 1, "at which replies are sampled and trained", positive()),
          .sessions = s.integer("sessions", 72, "after which a user counts as never content", between(3, 100'000))};
}

double number(std::int64_t count) { return static_cast<double>(count); }

}  // namespace

TalkStudy::TalkStudy(const Settings& task, const Settings& pipeline, std::unique_ptr<Policy> policy,
                     std::unique_ptr<Objective> objective, std::unique_ptr<Judge> judge)
    : policy_(std::move(policy)),
      objective_(std::move(objective)),
      judge_(std::move(judge)),
      pool_(read_pool(task)),
      learning_(task),
      updates_(
          task.integer("updates", 0, "go on until so many; 0: until all users are content", between(0, 1'000'000))),
      probes_(task.integer("probes", 8, "questions per user that measure the weights after each of 16 updates",
                           between(0, pipeline::most_turns))),
      pipeline_(pipeline),
      initial_(policy_->initial_parameters()) {
  if (pipeline_.clients.silent > std::ssize(pool_.users)) {
    user_error("{}: {} silent users (of {}). Lower 'silent'?", pipeline.where(), pipeline_.clients.silent,
               pool_.users.size());
  }
}

std::vector<TalkStudy::Outcome> TalkStudy::tell(const pipeline::Result& r, const HintGain& gain) const {
  const double users = number(std::ssize(pool_.users));
  std::vector<double> sessions, censored, survival(static_cast<std::size_t>(pool_.sessions) + 1);
  for (const std::int64_t at : r.content_at) {
    sessions.push_back(number(at > 0 ? at : pool_.sessions));
    censored.push_back(at > 0 ? 0 : 1);
    for (std::size_t s = 0; s < survival.size(); ++s) {
      if (at == 0 || std::cmp_less(s, at)) survival[s] += 1 / users;
    }
  }
  const auto over_updates = [&](double Quality::*member) {
    std::vector<double> values;
    for (const Quality& quality : r.quality) values.push_back(quality.*member);
    return values;
  };
  std::vector<Outcome> all{{"sessions", sessions},
                           {"censored", censored},
                           {"survival", survival},
                           {"rule_rate", over_updates(&Quality::rule_rate)},
                           {"correctness", over_updates(&Quality::correctness)},
                           {"kl", over_updates(&Quality::kl)},
                           {"entropy", over_updates(&Quality::entropy)},
                           {"length", over_updates(&Quality::length)},
                           {"staleness", {r.training.staleness.begin(), r.training.staleness.end()}}};
  const auto add = [&](std::string name, double value) { all.emplace_back(std::move(name), std::vector{value}); };
  add("produced", number(r.produced));
  add("consumed", number(r.consumed));
  for (std::size_t i = 0; i < pipeline::reasons.size(); ++i) {
    add("dropped_" + std::string(pipeline::reasons[i]), number(r.dropped[i]));
  }
  add("resident", number(r.resident));
  add("requests", number(r.serving.requests));
  add("refused", number(r.serving.refused));
  add("gave_up", number(r.gave_up));
  add("malformed_requests", number(r.serving.malformed));
  add("pauses", number(r.serving.pauses));
  add("interrupted", number(r.serving.interrupted));
  add("stall_seconds", seconds(r.serving.stalled));
  add("serving_latency", r.served > 0 ? seconds(r.latency) / number(r.served) : 0);
  add("side_turns", number(r.collection.side));
  add("unfollowed", number(r.collection.last));
  add("duplicates", number(r.collection.duplicated));
  add("late", number(r.collection.late));
  add("votes_positive", number(r.judging.positive));
  add("votes_negative", number(r.judging.negative));
  add("votes_neutral", number(r.judging.neutral));
  add("votes_void", number(r.judging.failed + r.judging.timed_out));
  add("hints", number(r.judging.hints));
  add("queue_longest", number(r.longest_queue));
  add("idle_serving", r.idle_serving);
  add("idle_judge", r.idle_judge);
  add("idle_trainer", r.idle_trainer);
  add("rejected", number(r.training.rejected));
  add("all_negative", number(r.training.all_negative));
  add("gradient_alarms", number(r.training.alarms + r.training.skipped));
  add("updates", number(r.updates));
  add("hours", seconds(r.end) / 3600);
  all.emplace_back("hint_gain", std::vector{gain.mean, gain.low, gain.high});
  return all;
}

std::vector<std::pair<std::string, std::int64_t>> TalkStudy::outcomes() const {
  pipeline::Result nothing;
  nothing.content_at.resize(pool_.users.size());
  std::vector<std::pair<std::string, std::int64_t>> names;
  for (const auto& [name, values] : tell(nothing, {})) names.emplace_back(name, std::ssize(values));
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
  for (const auto& [name, values] : tell(pipeline::run(setup, seed, replicate), gain_)) {
    all.insert(all.end(), values.begin(), values.end());
  }
  return all;
}

double TalkStudy::metric(const double* outcomes) const {
  const std::size_t users = pool_.users.size();
  return std::accumulate(outcomes, outcomes + users, 0.0) / static_cast<double>(users);
}

}  // namespace shoal
