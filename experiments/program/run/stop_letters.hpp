#pragma once
// How a request to stop that reached one group of ranks reaches the other groups, which meet it in no collective call
// before the end of the run.

#include <memory>

#include "sim/comm/communicator.hpp"
#include "sim/comm/mailbox.hpp"

namespace shoal {

/// Letters between the first ranks of all groups; the others of a group hear of it by the group's own calls.
class StopLetters {
 public:
  /// `is_first`: whether this rank is the first of its group. Collective over the world, as is the end of its life: a
  /// group that has finished waits there for the others.
  StopLetters(Communicator& world, bool is_first);

  /// Tells the other groups, once; nothing if this rank is not its group's first.
  void send();
  /// Whether another group has told this one.
  bool arrived();

 private:
  std::unique_ptr<Communicator> firsts_;  // the first ranks of all groups
  std::unique_ptr<Mailbox> mailbox_;      // null at the other ranks
  bool is_sent_ = false, has_arrived_ = false;
};

}  // namespace shoal
