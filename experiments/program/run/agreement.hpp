#pragma once
// Whether all ranks run the same thing. Ranks that read other data or compute with other instructions would give one
// wrong result together, without a word.

#include <map>
#include <string>

#include "experiments/program/launch.hpp"
#include "sim/comm/communicator.hpp"

namespace shoal {

/// Facts that must be the same on every rank, by name: digests and short texts.
using Agreed = std::map<std::string, std::string>;

/// The first difference between a rank and rank 0, with the names of their hosts; empty if all agree. The same text on
/// every rank. Collective.
std::string disagreement(Communicator& world, const Agreed& mine, const std::string& host);

/// The name of this rank's machine.
std::string host_name();

/// Variables by which libraries choose other instructions or roundings, as set here: "MKL_CBWR=AVX2", or "default". The
/// number of threads is not among them: it is pinned.
std::string rounding_environment(const Environment& environment);

}  // namespace shoal
