#pragma once
// Federated agents: each client is one user of an agent, who talks to the client's policy, which is trained on the
// judged replies. Prompts, replies, votes and hints stay with the client; only the update with its weight leaves it
// and, for the record, the loss, the numbers of usable and rejected replies, and the mean entropy of the policy.

#include <memory>

#include "sim/agents/judge.hpp"
#include "sim/agents/learner.hpp"
#include "sim/agents/users/agent_users.hpp"
#include "sim/agents/users/sessions.hpp"
#include "sim/task/task.hpp"

namespace shoal {

struct AgentsSettings {
  explicit AgentsSettings(const Settings& s);

  std::int64_t users;       // number of users who take part; each is one client
  std::int64_t sessions;    // sessions that a user holds before each local step
  std::int64_t test_users;  // held-out users: the policy is evaluated on their first turns
  std::int64_t own_turns;   // first turns on which a client's own model is evaluated
  std::int64_t group;       // replies to each prompt; the user sees the first
  double temperature;       // temperature at which replies are sampled
  bool live_teacher;        // the teacher is the current policy, not the untrained one
  bool kl_to_teacher;       // replies without a hint have a KL penalty to the teacher
  talk::UserBehaviour behaviour;
};

/// A local step: `sessions` sessions of the user with the client's current model, every reply judged, and one step of
/// SGD on the mean loss of the usable replies, those that the objective takes. Draws are a function of (seed, client,
/// participation).
///
/// The number of a client's examples is that of the usable replies of its local step, or the mean over its steps if
/// there are several: so FedAvg of one local step is one step on the union of all clients' replies. It is known only
/// after training; `work` gives an upper bound, which is what devices are charged for.
///
/// Evaluation: `correct` counts replies to first turns that follow their user's rules, so the accuracy is the rule
/// rate; the loss is the share of wrong answers, which exposes a policy that learns form at the expense of content.
class AgentsTask final : public Task {
 public:
  static constexpr std::int64_t users_per_chunk = 64;

  /// UserError where nothing could be learned: no turns with tools, or an objective that has no gradient for votes.
  AgentsTask(const Settings& settings, std::unique_ptr<Policy> policy, std::unique_ptr<Objective> objective,
             std::unique_ptr<Judge> judge, std::uint64_t seed);

  const ParameterLayout& layout() const override { return policy_->layout(); }
  std::int64_t clients() const override { return settings_.users; }
  /// The policy's own, whatever the key, since it is pretrained.
  at::Tensor initial_parameters(RandomKey) const override { return initial_.clone(); }
  ClientWork work(ClientId client) const override;
  std::unique_ptr<Trainer> trainer() const override;
  /// "entropy": of the policy, nats per token of the usable replies, as it was when it sampled them; NaN where a client
  /// had none.
  std::vector<std::string> figures() const override { return {"entropy"}; }
  /// The set "test" has the held-out users, "train" the clients with new questions; there are no others.
  std::int64_t chunks(std::string_view set) const override;
  bool clients_have(std::string_view set) const override { return set == "test"; }

  /// The sessions before local step `step` (from 0) of one participation, with their random streams.
  std::vector<Session> sessions(const Participation& who, std::int64_t step) const;

  /// Users 0 to users - 1 are the clients, later ones are held out.
  talk::User user(std::int64_t number) const { return users_.user(number); }
  const AgentsSettings& settings() const { return settings_; }
  const Policy& policy() const { return *policy_; }
  const Objective& objective() const { return *objective_; }
  const Judge& judge() const { return *judge_; }
  /// Whether the objective compares the replies to one prompt: a group of equal rewards then has no gradient.
  bool compares() const { return compares_; }
  /// Parameters of the untrained policy, which is also the frozen teacher.
  const at::Tensor& initial() const { return initial_; }
  std::uint64_t seed() const { return seed_; }

 private:
  AgentsSettings settings_;
  AgentUsers users_;
  std::unique_ptr<Policy> policy_;
  std::unique_ptr<Objective> objective_;
  std::unique_ptr<Judge> judge_;
  bool compares_;
  std::uint64_t seed_;
  at::Tensor initial_;
};

}  // namespace shoal
