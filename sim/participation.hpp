#pragma once
// One client's one attempt to take part in a round.

#include "sim/ids.hpp"

namespace shoal {

/// How an attempt ends: it completes, the phase in which it drops out (protocols with more phases continue the
/// numbers), or what the server made of it. Values are part of run files: never renumber.
enum class Outcome : std::int8_t {
  completes = 0,
  dropout_in_download = 1,
  dropout_in_training = 2,
  dropout_in_upload = 3,
  late = -1,     // does and sends all its work after the server has stopped waiting
  stopped = -2,  // told to stop by the server
};

/// A dropout in phase 0, 1, 2, ... of download, training, upload and what a protocol adds.
constexpr Outcome dropout_in(std::size_t phase) { return static_cast<Outcome>(1 + phase); }

struct Participation {
  ParticipationId id{};
  ClientId client{};
  Version version{};       // of the model that it downloads
  std::int64_t round = 1;  // in which it starts: its learning rate is that round's, however late it is committed
  Ticks start{};
  Ticks finish{};       // when its update arrives, or when it drops out; of a late one after the round's end
  double fraction = 1;  // share of the local work that is done, in (0, 1]
  Outcome outcome = Outcome::completes;
};

}  // namespace shoal
