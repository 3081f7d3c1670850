#include "datasets/partitions/shared/class_holders.hpp"

#include <algorithm>
#include <numeric>

namespace shoal {

std::vector<std::vector<std::int32_t>> class_holders(std::int64_t clients, std::int64_t per_client,
                                                     std::int64_t classes, RandomStream& random) {
  ensure(per_client >= 1 && per_client <= classes, "{} of {} classes per client", per_client, classes);
  std::vector<std::vector<std::int32_t>> holders(classes);
  std::vector<std::int64_t> order(classes);
  std::iota(order.begin(), order.end(), 0);
  for (std::int64_t client = 0; client < clients; ++client) {
    // The classes with the fewest holders so far, ties in random order. Before and after each client their numbers of
    // holders differ by one at most.
    shuffle(std::span(order), random);
    std::ranges::stable_sort(order, {}, [&](std::int64_t k) { return holders[k].size(); });
    for (std::int64_t i = 0; i < per_client; ++i) holders[order[i]].push_back(client);
  }
  for (std::vector<std::int32_t>& of_class : holders) shuffle(std::span(of_class), random);
  return holders;
}

}  // namespace shoal
