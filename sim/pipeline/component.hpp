#pragma once
// The contract of serving, collection, judging, training and their surroundings: they answer letters with letters.

#include <vector>

#include "sim/comm/mailbox.hpp"

namespace shoal::pipeline {

/// One part of the pipeline. It knows the others by their endpoints only, so it may live on a thread or in a process of
/// its own. What it does is a function of the letters that it has handled, in their order, and of the times at which it
/// handled them: the driver gives these, and the component reads no clock. It continues by a letter to itself.
class Component {
 public:
  virtual ~Component() = default;
  /// Handles a letter to this component and returns those that follow from it, in the order in which they are to be
  /// sent. `now` is never less than in an earlier call. Throws UserError where the letter's body is damaged.
  virtual std::vector<Letter> handle(const Letter& letter, Ticks now) = 0;
};

}  // namespace shoal::pipeline
