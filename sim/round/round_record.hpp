#pragma once
// What one round did, as plain data.

#include <span>
#include <vector>

#include "sim/participation.hpp"
#include "sim/round/measures.hpp"
#include "sim/round/planner.hpp"
#include "sim/task/client_figures.hpp"

namespace shoal {

struct PlannedRound;

/// One participation that ended.
struct ClientRow {
  Participation participation;
  bool committed = false;
  double weight = 1;
  ClientFigures figures;        // of a participation that is not committed: steps and bytes up, as planned
  std::int64_t bytes_down = 0;  // this and figures.bytes_up include the phases of the aggregator's protocol
  double joules = 0;            // World::joules
  std::int64_t tier = 0;
};

struct RoundRecord {
  std::int64_t round = 0;
  Version version{};  // after the round
  Ticks time{};
  Verdict verdict = Verdict::commit;
  bool diverged = false;
  std::int64_t started = 0, committed = 0, dropouts = 0, rejected = 0;
  std::int64_t examples = 0;  // trained on by committed clients, each counted once
  std::int64_t bytes_down = 0, bytes_up = 0;
  double train_loss = 0;  // mean over accepted clients; NaN when there are none
  std::vector<ClientRow> clients;
  Measures measures;  // of an evaluation after the round, and of what parts report
  Tables tables;
};

/// The record of a round as it is before the server step. `figures` are those of its commits, in their order.
RoundRecord describe_round(const PlannedRound& round, std::span<const ClientFigures> figures);

}  // namespace shoal
