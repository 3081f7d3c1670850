#pragma once
// The updates of single clients in a strategy's step, and the rows that the server keeps for its clients.

#include <string>
#include <string_view>
#include <vector>

#include "sim/clients/memory.hpp"
#include "sim/round/row_set.hpp"

namespace shoal {

/// The slot of client memory that holds a row of the server.
std::string kept_row(std::string_view row);

/// The updates of a round's accepted clients as rows, after an attack, for a strategy that wants them.
///
/// What the server keeps for a client lies at the client's home rank beside the client's own memory, and travels with
/// it to the rank that trains the client. Only rows of clients whose update has just been accepted can be replaced:
/// what a client in flight has downloaded does not change.
class ServerRows {
 public:
  /// `updates` are those of each group, `memory` is the clients', `section` the strategy's; the last two must outlive
  /// the object.
  ServerRows(std::vector<RowSet> updates, ClientMemory& memory, std::string_view section)
      : updates_(std::move(updates)), memory_(memory), section_(section) {}

  /// One row for each accepted update of a group, sorted by client. Copies are cheap and may be mixed.
  const RowSet& updates(std::int32_t group = 0) const { return updates_.at(group); }
  /// Keeps the first values of row i, as many as the strategy has declared, for the client of update i of the group, in
  /// place of what was kept before. Collective.
  void keep(std::string_view row, RowSet rows, std::int32_t group = 0);

 private:
  std::vector<RowSet> updates_;
  ClientMemory& memory_;
  std::string section_;
};

}  // namespace shoal
