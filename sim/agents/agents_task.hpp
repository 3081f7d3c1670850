#pragma once
// Federated agents: each client is one user of an agent, who talks to the policy that the client has and trains it on
// what came back. Prompts, replies, votes and hints stay with the client; what leaves it is the update with its weight
// and, for the record, its loss and how many replies were usable and refused.

#include <memory>

#include "sim/agents/agent_users.hpp"
#include "sim/agents/judge.hpp"
#include "sim/agents/learner.hpp"
#include "sim/agents/sessions.hpp"
#include "sim/task/task.hpp"

namespace shoal {

struct AgentsSettings {
  explicit AgentsSettings(const Settings& s);

  std::int64_t users;       ///< that take part: the clients
  std::int64_t sessions;    ///< of a user before each local step
  std::int64_t test_users;  ///< who do not take part: on their first turns the policy is evaluated
  std::int64_t own_turns;   ///< first turns on which a client's own model is evaluated
  std::int64_t group;       ///< replies to each prompt, of which the user gets the first
  double temperature;       ///< at which replies are sampled
  bool live_teacher;        ///< the teacher is the policy of now, not the untrained one
  bool kl_to_teacher;       ///< replies without a hint have a KL penalty to the teacher
  talk::UserBehaviour behaviour;
};

/// A local step: `sessions` sessions of the user with the client's model of then, every reply judged, and one step of
/// SGD on the mean loss of the usable replies, those that the objective takes. What is random is a function of (seed,
/// client, participation).
///
/// A client counts as many examples as its local step had usable replies, the mean where there are several steps: so
/// FedAvg of one local step is one step on the union of all clients' replies. That number is known after training only;
/// `work` says the most that it can be, which is what devices are charged for.
///
/// Evaluation: `correct` counts replies to first turns that follow their user's rules, so the accuracy is the rule
/// rate; the loss is the share of wrong answers, so that nobody learns form at the price of content unseen.
class AgentsTask final : public Task {
 public:
  static constexpr std::int64_t users_per_chunk = 64;

  /// UserError where nothing could be learned: no turns with tools, or an objective that has no gradient for votes.
  AgentsTask(const Settings& settings, std::unique_ptr<Policy> policy, std::unique_ptr<Objective> objective,
             std::unique_ptr<Judge> judge, std::uint64_t seed);

  const ParameterLayout& layout() const override { return policy_->layout(); }
  std::int64_t clients() const override { return settings_.users; }
  /// The policy's own, whatever the key: it can talk before anybody has trained it.
  at::Tensor initial_parameters(RandomKey) const override { return initial_.clone(); }
  ClientWork work(ClientId client) const override;
  std::unique_ptr<Trainer> trainer() const override;
  /// `test`: users who take no part; `train`: those who do, with new questions.
  std::int64_t chunks(Split split) const override;
  bool clients_have(Split split) const override { return split == Split::test; }

  /// The sessions before local step `step` (from 0) of one participation, with their random streams.
  std::vector<Session> sessions(const Participation& who, std::int64_t step) const;

  /// Users 0 to users - 1 are the clients, those after them are held out.
  talk::User user(std::int64_t number) const { return users_.user(number); }
  const AgentsSettings& settings() const { return settings_; }
  const Policy& policy() const { return *policy_; }
  const Objective& objective() const { return *objective_; }
  const Judge& judge() const { return *judge_; }
  /// The objective learns from comparing the replies to one prompt: those that are alike teach it nothing.
  bool compares() const { return compares_; }
  /// The untrained policy's parameters: the frozen teacher's.
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
