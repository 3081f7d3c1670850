#pragma once
// Training examples that the server keeps for itself, and the dealing of all others to clients.

#include <memory>
#include <string>
#include <vector>

#include "sim/task/data.hpp"

namespace shoal {

struct DealtExamples {
  std::unique_ptr<ClientExamples> clients;
  std::vector<std::int32_t> server;  // positions in the training set, ascending; no client holds them
};

/// Keeps `server` training examples for the server, drawn uniformly as a function of the seed, and deals the others by
/// the partition. UserError, with `where` as the place, when none are left.
DealtExamples deal(const Partition& partition, const ExampleStore& train, std::int64_t server, std::uint64_t seed,
                   const std::string& where);

}  // namespace shoal
