#pragma once
// Machines with finitely many states that an agent operates: a terminal, forms, patches, tools. One file per machine in
// datasets/environments.

#include <array>
#include <cstring>
#include <memory>
#include <span>
#include <type_traits>

#include "sim/random.hpp"
#include "sim/settings/part.hpp"

namespace shoal {

/// The state of an episode: eight ints, which each machine reads and writes as a struct with names.
class EpisodeState {
 public:
  /// The first ints as a struct; all are 0 in a new state.
  template <class Fields>
  Fields as() const {
    check<Fields>();
    Fields fields;
    std::memcpy(&fields, numbers_.data(), sizeof fields);
    return fields;
  }
  template <class Fields>
  void set(const Fields& fields) {
    check<Fields>();
    std::memcpy(numbers_.data(), &fields, sizeof fields);
  }

 private:
  template <class Fields>
  static void check() {
    static_assert(std::is_trivially_copyable_v<Fields> && sizeof(Fields) <= sizeof(std::array<int, 8>));
  }

  std::array<int, 8> numbers_{};
};

struct StepResult {
  double progress = -1;  // the truth, on which a process judge votes: +1 if the step was useful, -1 if not
  bool done = false;
  double outcome = 0;  // reward of the whole episode, once it is done; in [-1, 1]
  bool success = false;
};

class Environment {
 public:
  virtual ~Environment() = default;
  /// Number of different observations, and of actions.
  virtual int observations() const = 0;
  virtual int actions() const = 0;
  /// Largest number of steps of an episode.
  virtual int horizon() const = 0;
  /// Draws a task. Rollouts of one group start from equal states.
  virtual EpisodeState start(RandomStream& random) const = 0;
  /// In [0, observations).
  virtual int observe(const EpisodeState& state) const = 0;
  /// `last`: the step reaches the horizon, so the result is `done`.
  virtual StepResult step(EpisodeState& state, int action, bool last, RandomStream& random) const = 0;
};

template <>
std::span<const Part<Environment>> parts<Environment>();  // generated from datasets/environments

}  // namespace shoal
