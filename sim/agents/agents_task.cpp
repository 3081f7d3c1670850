#include "sim/agents/agents_task.hpp"

#include <algorithm>
#include <array>
#include <cmath>

#include "sim/agents/agents_trainer.hpp"

namespace shoal {
namespace {

// Whether a reply with a vote, a hint and this advantage has a gradient. An objective that lacks its signal would
// seem to train and would learn nothing.
bool has_gradient(const Objective& objective, double advantage) {
  const std::array<double, 3> policy{std::log(0.5), std::log(0.3), std::log(0.2)};
  const std::array<double, 3> teacher{std::log(0.2), std::log(0.5), std::log(0.3)};
  const Position position{.token = 1, .count = 1, .current = policy.data(), .old = policy.data(), .rolled = policy[1]};
  const double* hinted = teacher.data();
  Sample sample{.signals = {.reward = 1, .advantage = advantage, .hints = 1, .judged = true},
                .vocabulary = 3,
                .positions = {&position, 1},
                .teachers = {&hinted, 1},
                .teacher_without_hint = {}};
  std::array<double, 3> slopes{};
  objective.loss(sample, RowView<double>(slopes.data(), 1, 3));
  return std::ranges::any_of(slopes, [](double slope) { return slope != 0; });
}

}  // namespace

AgentsSettings::AgentsSettings(const Settings& s)
    : users(s.integer("users", 300, "users of the agent; each is one client", between(1, 1e9))),
      sessions(s.integer("sessions", 4, "sessions of a user before each local step", between(1, 10'000))),
      test_users(s.integer("test_users", 512, "held-out users, on whose first turns the policy is evaluated",
                           between(1, 1'000'000))),
      own_turns(
          s.integer("own_turns", 16, "first turns on which a client's own model is evaluated", between(1, 1'000'000))),
      group(s.integer("group", 1, "replies to each prompt, which GRPO compares; the user sees the first",
                      between(1, 64))),
      temperature(s.number("temperature", 1, "temperature at which replies are sampled", {.least = 0.01, .most = 100})),
      live_teacher(
          s.choice("teacher", false, {{"frozen", false}, {"live", true}}, "the untrained policy, or the current one")),
      kl_to_teacher(s.flag("anchor", false, "KL penalty to the teacher for replies without a hint too, as published")),
      behaviour(s) {}

AgentsTask::AgentsTask(const Settings& settings, std::unique_ptr<Policy> policy, std::unique_ptr<Objective> objective,
                       std::unique_ptr<Judge> judge, std::uint64_t seed)
    : settings_(settings),
      users_(settings, seed),
      policy_(std::move(policy)),
      objective_(std::move(objective)),
      judge_(std::move(judge)),
      compares_(!has_gradient(*objective_, 0)),
      seed_(seed),
      initial_(policy_->initial_parameters()) {
  ensure(policy_->layout().type == at::kFloat && !policy_->layout().device.is_cuda(),
         "a policy's parameters are float32 on the host");
  if (settings_.behaviour.tool_turns == 0) {
    user_error(
        "{}: there are no turns with tools (nothing would follow an accepted reply, so it would never be judged). Set "
        "'tool_turns' to 1 or more.",
        settings.where());
  }
  if (compares_ && settings_.group == 1) {
    user_error("{}: the objective compares several replies to one prompt (group = 1). Set 'group' to 2 or more.",
               settings.where());
  }
  if (compares_ && !has_gradient(*objective_, 1)) {
    user_error("{}: the objective has no gradient for any signal of this task. Change the settings of [objective].",
               settings.where());
  }
}

ClientWork AgentsTask::work(ClientId) const {
  const std::int64_t turns = settings_.behaviour.most_turns + settings_.behaviour.tool_turns;
  // A reply is sampled once, and read forward and backward for its gradient.
  return {.examples = settings_.sessions * turns * settings_.group,
          .flops_per_example = 4.0 * talk::longest_reply * policy_->flops_per_token()};
}

std::vector<Session> AgentsTask::sessions(const Participation& who, std::int64_t step) const {
  RandomStream of_participation(random_key(seed_, "agents/rollout"), value(who.client), value(who.id));
  const RandomKey key{of_participation.bits(), of_participation.bits()};
  const talk::User talker = user(value(who.client));
  std::vector<Session> all;
  for (std::int64_t i = step * settings_.sessions; i < (step + 1) * settings_.sessions; ++i) {
    all.push_back({.user = talker, .replies = {key, i, 0}, .world = {key, i, 1}, .judging = {key, i, 2}});
    for (std::int64_t other = 1; other < settings_.group; ++other) all.back().others.emplace_back(key, i, 2 + other);
  }
  return all;
}

std::unique_ptr<Trainer> AgentsTask::trainer() const { return std::make_unique<AgentsTrainer>(*this); }

std::int64_t AgentsTask::chunks(std::string_view set) const {
  if (set != "test" && set != "train") return 0;
  return ((set == "test" ? settings_.test_users : settings_.users) + users_per_chunk - 1) / users_per_chunk;
}

}  // namespace shoal
