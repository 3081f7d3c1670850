#pragma once
// How examples are spread over the clients, in figures for `shoal plan`.

#include <span>
#include <string>
#include <vector>

#include "sim/clients/population.hpp"
#include "sim/task/task.hpp"

namespace shoal {

/// Clients of a task, all of them or a random sample of a large population.
struct ClientsPlan {
  std::int64_t clients = 0;
  std::int64_t sampled = 0;            // clients in the sample; `clients` if these are all
  std::int64_t empty = 0;              // sampled clients without an example to train on
  std::int64_t small = 0;              // sampled clients with less memory than [population.limits] demands
  std::vector<std::int64_t> examples;  // training examples of each sampled client, ascending
  // Only for tasks with labels, over the sampled clients with examples:
  std::vector<std::int64_t> of_label;  // examples of each label
  std::vector<std::int64_t> labels;    // number of different labels of each client
  std::vector<double> top_share;       // share of each client's most frequent label, ascending
  std::vector<std::int64_t> groups;    // writers (or other natural groups) of each client, if the data name them
};

/// Looks at all clients of up to 100,000, else at 10,000 that `seed` chooses; at their devices where there are any.
ClientsPlan look_at_clients(const Task& task, std::uint64_t seed, const Population* population = nullptr);

/// A histogram as text: at most eight lines "   0 to 9  ######   123" of equal ranges; `values` in any order.
std::vector<std::string> histogram(std::span<const std::int64_t> values);

}  // namespace shoal
