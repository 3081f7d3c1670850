#pragma once
// The texts of all ranks, for comparisons and messages.

#include <string>
#include <vector>

#include "sim/comm/communicator.hpp"

namespace shoal {

/// Every rank's text, by rank, on every rank. Collective.
std::vector<std::string> gather_text(Communicator& comm, const std::string& mine);

}  // namespace shoal
