#include "sim/secure/graph_rule.hpp"

#include <algorithm>
#include <cmath>

#include "sim/error.hpp"
#include "sim/secure/hypergeometric.hpp"

namespace shoal {
namespace {

constexpr double security_bits = 40, correctness_bits = 20;
constexpr double guard = 1e-14;  // against products such as 0.29 * 100
constexpr std::int64_t most_clients = 1'000'000;

// Whether the graph of those who are left is connected. Clients are on a ring, and to cut it two disjoint runs of
// degree / 2 neighbours must be missing.
bool is_connected(std::int64_t clients, std::int64_t degree, std::int64_t missing) {
  if (degree > missing) return true;
  const double n = clients, k = degree, b = missing;
  const double cut = std::log(n) + std::log(n - k - 1) - std::log(2.0) + std::lgamma(b + 1) + std::lgamma(n - k + 1) -
                     std::lgamma(n + 1) - std::lgamma(b - k + 1);
  return cut < -(security_bits + 1) * std::log(2.0);
}

void require_ranges(const GraphDemand& demand) {
  if (demand.clients < 1 || demand.clients > most_clients) {
    user_error("a graph of {} clients (1 to {}). Change the cohort.", demand.clients, most_clients);
  }
  if (!(demand.corrupt >= 0 && demand.corrupt < 1 && demand.dropout >= 0 && demand.dropout < 1)) {
    user_error("a share of corrupt clients of {} and of dropouts of {} (0 up to, not including, 1). Change them.",
               demand.corrupt, demand.dropout);
  }
}

}  // namespace

std::int64_t most_corrupt(std::int64_t group, std::int64_t cohort, double corrupt) {
  const std::int64_t marked = std::floor((corrupt + guard) * cohort);
  const double groups = 1.0 * cohort / group;
  return Hypergeometric(cohort, marked, group).exceeded_at_most(std::exp2(-(security_bits + 1)) / groups);
}

std::optional<GraphRule> graph_rule(const GraphDemand& demand) {
  require_ranges(demand);
  const bool semi_malicious = demand.server == ServerModel::semi_malicious;
  if (demand.corrupt + (semi_malicious ? 2 : 1) * demand.dropout > 0.9) return std::nullopt;
  const std::int64_t n = demand.clients;
  const auto down = [&](double share) -> std::int64_t { return std::floor((share + guard) * n); };
  const std::int64_t corrupt = demand.corrupt_clients.value_or(down(demand.corrupt));
  const std::int64_t missing = corrupt + down(demand.dropout);
  const std::int64_t surviving = std::ceil((1 - demand.dropout - guard) * n);
  const double leak = std::exp2(-(security_bits + 1)) / n, failure = std::exp2(-correctness_bits) / n;
  for (std::int64_t degree = 2; degree < n - 1; degree += 2) {
    if (!is_connected(n, degree, missing)) continue;
    std::int64_t colluding = Hypergeometric(n, corrupt, degree).exceeded_at_most(leak);
    const std::int64_t answering = Hypergeometric(n, surviving, degree).reached_at_least(failure);
    // Two sets of `threshold` neighbours, which a server can tell different things, then share an honest one.
    if (semi_malicious) colluding = std::ceil((colluding + degree - 1.25) / 2);
    if (answering <= colluding) continue;
    return GraphRule{.degree = degree, .threshold = std::max<std::int64_t>(colluding + 1, 2)};
  }
  return std::nullopt;
}

}  // namespace shoal
