#pragma once
// The record of one round, as plain data.

#include <span>
#include <string>
#include <vector>

#include "sim/participation.hpp"
#include "sim/round/measures.hpp"
#include "sim/round/planner.hpp"
#include "sim/task/client_figures.hpp"

namespace shoal {

struct PlannedRound;

/// A participation that ended in the round.
struct ClientRow {
  Participation participation;
  bool committed = false;
  double weight = 1;            // Commit::weight
  ClientFigures figures;        // without a commit, only the planned steps and bytes up of clients that sent an update
  std::int64_t bytes_down = 0;  // this and figures.bytes_up include the phases of the aggregator's protocol
  double joules = 0;            // World::joules
  std::int64_t tier = 0;        // Device::tier
};

struct RoundRecord {
  std::int64_t round = 0;
  Version version{};  // version of the model after the round
  Ticks time{};       // virtual time of the server step
  Verdict verdict = Verdict::commit;
  bool diverged = false;  // true if the model is no longer finite
  std::int64_t started = 0, committed = 0, dropouts = 0, rejected = 0;
  std::int64_t examples = 0;  // examples that committed clients trained on, each counted once
  std::int64_t bytes_down = 0, bytes_up = 0;
  double train_loss = 0;  // mean over accepted clients; NaN if there are none
  std::vector<ClientRow> clients;
  std::vector<std::string> figures;  // names of ClientFigures::figures
  Measures measures;                 // from an evaluation after the round, and from parts
  Tables tables;
  std::string reason;  // why the aggregator's session failed or was refused; otherwise empty
};

/// Names the clients' figures, and adds for each the measure "train_NAME": its mean over the accepted clients that
/// could measure it, in the order of `clients`. There is no such measure where none could.
void add_figures(RoundRecord& record, std::vector<std::string> names);

/// The record of a round before its server step. `figures` has an entry for each commit, in their order.
RoundRecord describe_round(const PlannedRound& round, std::span<const ClientFigures> figures);

}  // namespace shoal
