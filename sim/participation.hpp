#pragma once
// One attempt of one client to take part in a round.

#include "sim/ids.hpp"

namespace shoal {

/// How an attempt ends: it completes, it drops out in a phase (protocols with more phases continue the numbers), or the
/// server does not wait for it. Values are part of run files: never renumber.
enum class Outcome : std::int8_t {
  completes = 0,
  dropout_in_download = 1,
  dropout_in_training = 2,
  dropout_in_upload = 3,
  late = -1,     // the client does all its work and sends it, but the server has stopped waiting
  stopped = -2,  // the server has told the client to stop
};

/// Download, training and upload, the phases of every participation.
constexpr std::size_t own_phases = 3;

/// A dropout in a phase: 0 download, 1 training, 2 upload, then the phases that a protocol adds.
constexpr Outcome dropout_in(std::size_t phase) { return static_cast<Outcome>(1 + phase); }

struct Participation {
  ParticipationId id{};
  ClientId client{};
  Version version{};       // the version of the model that the client downloads
  std::int64_t round = 1;  // the round of its start, which sets its learning rate however late it is committed
  Ticks start{};
  Ticks finish{};       // when its update arrives or it drops out; if it is late, after the round's end
  double fraction = 1;  // share of the local work that it sets out to do, in (0, 1]
  Outcome outcome = Outcome::completes;
  TaskId task{};             // its task, where several are learned over one population; otherwise 0
  std::int32_t group = 0;    // the group whose server message it downloads
  std::int32_t variant = 0;  // the variant of the model that it trains; blocks mix neither groups nor variants
};

}  // namespace shoal
