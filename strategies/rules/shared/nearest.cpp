#include "strategies/rules/shared/nearest.hpp"

#include <algorithm>
#include <numeric>

#include "kernels/gram.hpp"

namespace shoal {

std::vector<double> squared_distances(RowSet& rows) {
  const std::span<const double> gram = rows.gram();
  std::vector<double> distances(gram.size());
  distances_from_gram(gram, distances);
  return distances;
}

std::vector<std::int64_t> smallest(std::span<const double> values, std::int64_t count) {
  std::vector<std::int64_t> order(values.size());
  std::iota(order.begin(), order.end(), 0);
  std::ranges::stable_sort(order, {}, [&](std::int64_t i) { return values[i]; });
  order.resize(std::min<std::size_t>(count, order.size()));
  return order;
}

}  // namespace shoal
