#include "sim/studies/machine_study.hpp"

#include <cmath>
#include <limits>

#include "sim/agents/group_advantage.hpp"
#include "sim/agents/softmax.hpp"
#include "sim/nn/adam.hpp"

namespace shoal {
namespace {

constexpr std::int64_t evaluations = 10, episodes = 64;

struct Step {
  int observation = 0, action = 0;
  double advantage = 0;
  std::vector<double> log_p;  // log-probabilities of the actions when one was sampled
};

using Rollout = std::vector<Step>;

}  // namespace

class MachineStudy::Replicate {
 public:
  Replicate(const MachineStudy& study, std::uint64_t seed, std::int64_t replicate)
      : study_(study),
        machine_(*study.machine_),
        actions_(machine_.actions()),
        logits_(machine_.observations() * actions_),
        adam_(logits_.size()),
        world_(random_key(seed, "agents/world"), replicate),
        judging_(random_key(seed, "agents/judge"), replicate) {}

  std::vector<double> run() {
    std::vector<double> success{evaluate()};
    double half = study_.updates_ + 1;
    for (std::int64_t update = 1; update <= study_.updates_; ++update) {
      learn();
      const bool due = update * evaluations / study_.updates_ > (update - 1) * evaluations / study_.updates_;
      if (!due) continue;
      success.push_back(evaluate());
      if (success.back() >= 0.5) half = std::min<double>(half, update);
    }
    success.push_back(half);
    return success;
  }

 private:
  std::vector<double> log_p(int observation) const {
    const double* z = &logits_[observation * actions_];
    std::vector<double> log_p(z, z + actions_);
    log_softmax(log_p);
    return log_p;
  }

  int act(const std::vector<double>& log_p) {
    double at = world_.uniform();
    int action = 0;
    for (; action + 1 < actions_; ++action) {
      at -= std::exp(log_p[action]);
      if (at < 0) break;
    }
    return action;
  }

  // Plays one episode from `state`: adds its steps and the progress of each, and returns the last result.
  StepResult play(EpisodeState state, Rollout& steps, std::vector<double>& progress) {
    StepResult result;
    for (int i = 0; !result.done; ++i) {
      Step step{.observation = machine_.observe(state)};
      step.log_p = log_p(step.observation);
      step.action = act(step.log_p);
      result = machine_.step(state, step.action, i + 1 == machine_.horizon(), world_);
      steps.push_back(std::move(step));
      progress.push_back(result.progress);
    }
    return result;
  }

  double evaluate() {
    double successes = 0;
    for (std::int64_t i = 0; i < episodes; ++i) {
      Rollout steps;
      std::vector<double> progress;
      successes += play(machine_.start(world_), steps, progress).success ? 1 : 0;
    }
    return successes / episodes;
  }

  // The reward of a step, from the rollout's outcome and the judge's votes.
  double judged(double progress, double outcome) {
    std::vector<double> votes;
    for (std::int64_t v = 0; v < study_.votes_; ++v) {
      const Judgement judgement = study_.judge_->judge({.reward = progress}, judging_);
      votes.push_back(judgement.valid == 0 ? std::numeric_limits<double>::quiet_NaN() : judgement.mean_vote);
    }
    return integrated_reward(outcome, votes, study_.process_weight_);
  }

  // Adds the rollouts of one task, each step with its advantage. Steps that are dropped are left out.
  void collect(std::vector<Rollout>& samples) {
    const EpisodeState task = machine_.start(world_);
    std::vector<Rollout> rollouts(study_.rollouts_);
    std::vector<double> outcomes;
    std::vector<std::vector<double>> rewards(rollouts.size());
    for (std::size_t i = 0; i < rollouts.size(); ++i) {
      std::vector<double> progress;
      outcomes.push_back(play(task, rollouts[i], progress).outcome);
      if (!study_.integrated_) continue;
      for (const double p : progress) rewards[i].push_back(judged(p, outcomes.back()));
    }
    const std::vector<std::vector<double>> advantages =
        study_.integrated_ ? step_advantages(rewards) : outcome_advantages(outcomes, rollouts);
    for (std::size_t i = 0; i < advantages.size(); ++i) keep(rollouts[i], advantages[i], samples);
  }

  // All steps of a rollout get the advantage of its outcome; empty where all outcomes are equal.
  static std::vector<std::vector<double>> outcome_advantages(std::span<const double> outcomes,
                                                             std::span<const Rollout> rollouts) {
    std::vector<std::vector<double>> advantages;
    for (const double advantage : group_advantages(outcomes)) {
      advantages.emplace_back(rollouts[advantages.size()].size(), advantage);
    }
    return advantages;
  }

  // Adds the steps of a rollout whose advantage is not NaN.
  static void keep(Rollout& rollout, std::span<const double> advantages, std::vector<Rollout>& samples) {
    Rollout kept;
    for (std::size_t s = 0; s < rollout.size(); ++s) {
      if (std::isnan(advantages[s])) continue;
      rollout[s].advantage = advantages[s];
      kept.push_back(std::move(rollout[s]));
    }
    if (!kept.empty()) samples.push_back(std::move(kept));
  }

  void learn() {
    std::vector<Rollout> samples;
    for (std::int64_t t = 0; t < study_.tasks_; ++t) collect(samples);
    for (std::int64_t part = 0; part < study_.steps_; ++part) {
      const std::size_t first = samples.size() * part / study_.steps_;
      const std::size_t last = samples.size() * (part + 1) / study_.steps_;
      if (last > first) take_step(std::span(samples).subspan(first, last - first));
    }
  }

  // One optimizer step on the mean loss of the rollouts, each the mean over its steps.
  void take_step(std::span<const Rollout> rollouts) {
    std::vector<double> gradient(logits_.size());
    for (const Rollout& rollout : rollouts) {
      const double weight = 1.0 / rollout.size() / rollouts.size();
      for (const Step& step : rollout) add_gradient(step, weight, gradient);
    }
    adam_.apply(logits_, gradient, study_.rate_);
  }

  void add_gradient(const Step& step, double weight, std::vector<double>& gradient) const {
    const std::vector<double> current = log_p(step.observation);
    const Position position{
        .token = step.action, .current = current.data(), .old = step.log_p.data(), .rolled = step.log_p[step.action]};
    const Sample sample{.signals = {.reward = step.advantage, .advantage = step.advantage, .judged = true},
                        .vocabulary = machine_.actions(),
                        .positions = {&position, 1},
                        .teachers = {},
                        .teacher_without_hint = {}};
    std::vector<double> slopes(actions_);
    study_.objective_->loss(sample, {slopes.data(), 1, actions_});
    softmax_backward(current, slopes);
    double* to = &gradient[step.observation * actions_];
    for (int a = 0; a < actions_; ++a) to[a] += weight * slopes[a];
  }

  const MachineStudy& study_;
  const Environment& machine_;
  std::int64_t actions_;
  std::vector<double> logits_;
  SpanAdam adam_;
  RandomStream world_, judging_;
};

MachineStudy::MachineStudy(const Settings& s, std::unique_ptr<Environment> machine,
                           std::unique_ptr<Objective> objective, std::unique_ptr<Judge> judge)
    : machine_(std::move(machine)),
      objective_(std::move(objective)),
      judge_(std::move(judge)),
      integrated_(s.choice("rewards", true, {{"outcome", false}, {"integrated", true}},
                           "rollouts are compared by their outcome; or steps by outcome and the judge's votes")),
      process_weight_(
          s.number("process_weight", 1, "weight of the mean vote that is added to the outcome", at_least(0))),
      rate_(s.number("rate", 0.1, "learning rate of Adam", at_least(0))),
      updates_(s.integer("updates", 100, "updates of the policy", between(10, 100'000))),
      tasks_(s.integer("tasks", 8, "tasks per update", between(1, 10'000))),
      rollouts_(s.integer("rollouts", 8, "rollouts of each task, which form a group", between(2, 10'000))),
      steps_(s.integer("steps", 2, "optimizer steps on the rollouts of an update", between(1, 64))),
      votes_(s.integer("votes", 1, "votes of the judge on each step; their mean counts", between(1, 1000))) {
  if (!objective_->takes({.judged = true})) {
    user_error(
        "{}: the objective needs signals that machines do not give (hints, votes on replies). Set objective = "
        "\"grpo\".",
        s.where());
  }
}

std::vector<std::pair<std::string, std::int64_t>> MachineStudy::outcomes() const {
  return {{"success", evaluations + 1}, {"first_success", 1}};
}

std::vector<double> MachineStudy::run(std::uint64_t seed, std::int64_t replicate) const {
  return Replicate(*this, seed, replicate).run();
}

double MachineStudy::metric(const double* outcomes) const { return 1 - outcomes[evaluations]; }

}  // namespace shoal
