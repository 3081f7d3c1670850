#pragma once
// How many neighbours each client needs in secure aggregation on a random k-regular graph, and how many of their
// shares rebuild a secret (Bell, Bonawitz, Gascon, Lepoint and Raykova, CCS 2020, section 3). The exact search is that
// of google-parfait/federated-compute, fcp/secagg/server/graph_parameter_finder.cc.

#include <cstdint>
#include <optional>

namespace shoal {

enum class ServerModel : std::int8_t {
  curious,         // follows the protocol and looks at everything
  semi_malicious,  // deviates after the keys have been advertised
};

/// The demand: with probability 1 - 2^-40 no client's input is revealed, with probability 1 - 2^-20 the sum is.
struct GraphDemand {
  std::int64_t clients = 0;
  double corrupt = 0;  // share of the clients that the server colludes with
  double dropout = 0;  // share of the clients that are lost
  ServerModel server = ServerModel::curious;
  // The number of corrupt clients, where it does not follow from the share: a random group of clients can hold more
  // than its part of them.
  std::optional<std::int64_t> corrupt_clients{};
};

struct GraphRule {
  std::int64_t degree = 0, threshold = 0;
  bool operator==(const GraphRule&) const = default;
};

/// The most corrupt clients that any of the random groups of so many clients holds, but for a probability of 2^-41,
/// where a share of `corrupt` of the whole cohort is corrupt.
std::int64_t most_corrupt(std::int64_t group, std::int64_t cohort, double corrupt);

/// The smallest even degree that does, and its threshold. Nothing if none does. UserError if the numbers are outside
/// their ranges.
std::optional<GraphRule> graph_rule(const GraphDemand& demand);

}  // namespace shoal
