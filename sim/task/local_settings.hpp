#pragma once
// How a client trains: settings of [local], the same for all strategies.

#include <cstdint>
#include <string>

#include "sim/settings/settings.hpp"
#include "sim/task/block_choice.hpp"

namespace shoal {

/// Local stochastic gradient descent in one round: `rate` is that round's (see `LocalTraining::at`).
struct LocalSettings {
  double epochs = 1;        // passes over the client's training examples, unless `steps` is set
  std::int64_t steps = 0;   // > 0: this many steps instead, cycling through the shuffled examples
  std::int64_t batch = 10;  // examples per step; 0 is the full batch
  double rate = 0.1;
  double momentum = 0;  // reset at each participation
  bool nesterov = false;
  double weight_decay = 0;
  std::int64_t block = 1;  // clients trained together
  BlockForm form = BlockForm::in_turn;

  /// Steps that a client with `examples` does when it does `fraction` of its work; at least 1.
  std::int64_t local_steps(std::int64_t examples, double fraction) const;
};

/// [local] with the learning-rate schedule over rounds.
class LocalTraining {
 public:
  explicit LocalTraining(const Settings& settings);
  /// Whether [local] leaves the block's size or its form to a table of measurements.
  bool leaves_block_open() const { return block_open_ || form_open_; }
  /// Takes from `choice` what [local] leaves open; without it, one client after the other.
  void choose(const BlockChoice& choice);
  /// For tasks whose steps are not cut into batches: a step takes all there is. UserError if `settings`, from which
  /// this was made, sets a batch.
  void take_all(const Settings& settings);
  /// Settings for `round`, counted from 1.
  LocalSettings at(std::int64_t round) const;

 private:
  // How the learning rate changes over rounds.
  enum class Schedule { constant, exponential, step, inverse_sqrt };

  LocalSettings base_;
  Schedule schedule_;
  double decay_;
  std::int64_t period_;
  bool block_open_, form_open_;
};

}  // namespace shoal
