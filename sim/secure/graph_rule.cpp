#include "sim/secure/graph_rule.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include "sim/error.hpp"

namespace shoal {
namespace {

constexpr double security_bits = 40, correctness_bits = 20;
constexpr double guard = 1e-14;  // against products such as 0.29 * 100
constexpr std::int64_t most_clients = 1'000'000;

double log_factorial(double n) { return std::lgamma(n + 1); }

double log_choose(double n, double k) { return log_factorial(n) - log_factorial(k) - log_factorial(n - k); }

// The smallest t with Pr[X > t] <= limit, or the smallest t with Pr[X <= t] >= limit. Both tails are summed from their
// far end, where the terms are smallest: the difference of 1 and a sum would lose them. Terms follow from their
// neighbours, in logarithms.
class Hypergeometric {
 public:
  Hypergeometric(std::int64_t population, std::int64_t marked, std::int64_t drawn)
      : population_(population),
        marked_(marked),
        drawn_(drawn),
        least_(std::max<std::int64_t>(0, drawn - (population - marked))),
        most_(std::min(marked, drawn)) {}

  std::int64_t exceeded_at_most(double limit) const {
    std::int64_t x = first_that_counts(most_);
    double term = log_of(x), tail = std::exp(term);
    while (tail <= limit && x > least_) {
      term -= log_ratio(x - 1);
      --x;
      tail += std::exp(term);
    }
    return x;
  }

  std::int64_t reached_at_least(double limit) const {
    std::int64_t x = first_that_counts(least_);
    double term = log_of(x), tail = std::exp(term);
    while (tail < limit && x < most_) {
      term += log_ratio(x);
      ++x;
      tail += std::exp(term);
    }
    return x;
  }

 private:
  double log_of(std::int64_t x) const { return log_hypergeometric(population_, marked_, drawn_, x); }

  // The term nearest to an end of the range that is not negligible; terms grow from either end to the middle.
  std::int64_t first_that_counts(std::int64_t end) const {
    constexpr double negligible = -200;  // all terms beyond together are far below any limit
    std::int64_t outside = end, inside = static_cast<double>(marked_) / static_cast<double>(population_) * drawn_;
    inside = std::clamp(inside, least_, most_);
    if (log_of(end) > negligible) return end;
    while (std::abs(inside - outside) > 1) {
      const std::int64_t middle = (inside + outside) / 2;
      (log_of(middle) > negligible ? inside : outside) = middle;
    }
    return inside;
  }

  // log of Pr[x + 1] / Pr[x]
  double log_ratio(std::int64_t x) const {
    return std::log(static_cast<double>(marked_ - x) * static_cast<double>(drawn_ - x) /
                    (static_cast<double>(x + 1) * static_cast<double>(population_ - marked_ - drawn_ + x + 1)));
  }

  std::int64_t population_, marked_, drawn_, least_, most_;
};

// Whether the graph of those who are left hangs together. Clients are on a ring, and to cut it two disjoint runs of
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

double log_hypergeometric(std::int64_t population, std::int64_t marked, std::int64_t drawn, std::int64_t x) {
  const std::int64_t unmarked = population - marked;
  if (x < 0 || x > marked || x > drawn || drawn - x > unmarked) return -std::numeric_limits<double>::infinity();
  return log_choose(marked, x) + log_choose(unmarked, drawn - x) - log_choose(population, drawn);
}

std::optional<GraphRule> graph_rule(const GraphDemand& demand) {
  require_ranges(demand);
  const bool semi_malicious = demand.server == ServerModel::semi_malicious;
  if (demand.corrupt + (semi_malicious ? 2 : 1) * demand.dropout > 0.9) return std::nullopt;
  const std::int64_t n = demand.clients;
  const auto down = [&](double share) { return static_cast<std::int64_t>(std::floor((share + guard) * n)); };
  const std::int64_t corrupt = demand.corrupt_clients.value_or(down(demand.corrupt));
  const std::int64_t missing = corrupt + down(demand.dropout);
  const auto surviving = static_cast<std::int64_t>(std::ceil((1 - demand.dropout - guard) * n));
  const double leak = std::exp2(-(security_bits + 1)) / n, failure = std::exp2(-correctness_bits) / n;
  for (std::int64_t degree = 2; degree < n - 1; degree += 2) {
    if (!is_connected(n, degree, missing)) continue;
    std::int64_t colluding = Hypergeometric(n, corrupt, degree).exceeded_at_most(leak);
    const std::int64_t answering = Hypergeometric(n, surviving, degree).reached_at_least(failure);
    // Two sets of `threshold` neighbours, which a server can tell different things, then share an honest one.
    if (semi_malicious) colluding = static_cast<std::int64_t>(std::ceil((colluding + degree - 1.25) / 2));
    if (answering <= colluding) continue;
    return GraphRule{.degree = degree, .threshold = std::max<std::int64_t>(colluding + 1, 2)};
  }
  return std::nullopt;
}

}  // namespace shoal
