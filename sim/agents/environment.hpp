#pragma once
// A machine with finitely many states that an agent operates: terminal, forms, patches, tools. One file per machine in
// datasets/environments.

#include <array>
#include <memory>
#include <span>

#include "sim/part.hpp"
#include "sim/random.hpp"

namespace shoal {

/// What a machine remembers of an episode; each machine says what its numbers mean.
struct EpisodeState {
  std::array<int, 8> at{};
  int steps = 0;
};

struct StepResult {
  double progress = -1;  ///< the truth that a process judge is asked for: +1 if the step was useful, -1 if not
  bool done = false;
  double outcome = 0;  ///< reward of the whole episode, once done; in [-1, 1]
  bool success = false;
};

class Environment {
 public:
  virtual ~Environment() = default;
  /// What the agent can tell apart, and what it can do.
  virtual int observations() const = 0;
  virtual int actions() const = 0;
  /// Steps after which an episode ends as it stands.
  virtual int horizon() const = 0;
  /// A task, drawn; rollouts of one group start from equal states.
  virtual EpisodeState start(RandomStream& random) const = 0;
  /// In [0, observations).
  virtual int observe(const EpisodeState& state) const = 0;
  /// `last`: the horizon is reached, so the result is `done`.
  virtual StepResult step(EpisodeState& state, int action, bool last, RandomStream& random) const = 0;
};

template <>
std::span<const Part<Environment>> parts<Environment>();  // generated from datasets/environments

}  // namespace shoal
