#include "experiments/program/plan/plan_clients.hpp"

#include <fmt/core.h>

#include <algorithm>
#include <set>

namespace shoal {
namespace {

constexpr std::int64_t most_clients = 100'000, sample_size = 10'000;
constexpr std::int64_t most_bins = 8, bar_width = 30;

void look_at_labels(const Task& task, ClientId client, ClientsPlan& plan) {
  const ClientLabels own = task.client_labels(client);
  const std::int64_t examples = plan.examples.back();
  if (own.examples.empty()) return;
  plan.of_label.resize(own.examples.size());
  if (examples == 0) return;
  for (std::size_t label = 0; label < own.examples.size(); ++label) plan.of_label[label] += own.examples[label];
  plan.labels.push_back(std::ssize(own.examples) - std::ranges::count(own.examples, 0));
  const double most = std::ranges::max(own.examples);
  plan.top_share.push_back(most / examples);
  if (own.groups > 0) plan.groups.push_back(own.groups);
}

}  // namespace

ClientsPlan look_at_clients(const Task& task, std::uint64_t seed, const Population* population) {
  ClientsPlan plan{.clients = task.clients()};
  plan.sampled = plan.clients > most_clients ? sample_size : plan.clients;
  const KeyedPermutation order(random_key(seed, "planner/selection"), 0, plan.clients);
  for (std::int64_t i = 0; i < plan.sampled; ++i) {
    std::int64_t index = i;
    if (plan.sampled < plan.clients) index = order(i);
    const ClientId client{index};
    plan.examples.push_back(task.work(client).examples);
    plan.small += population != nullptr && !population->has_memory(client) ? 1 : 0;
    plan.empty += plan.examples.back() == 0 ? 1 : 0;
    look_at_labels(task, client, plan);
  }
  std::ranges::sort(plan.examples);
  std::ranges::sort(plan.top_share);
  return plan;
}

std::vector<std::string> histogram(std::span<const std::int64_t> values) {
  if (values.empty()) return {};
  const auto [least, most] = std::ranges::minmax(values);
  const std::int64_t width = (most - least) / most_bins + 1;
  std::vector<std::int64_t> counts((most - least) / width + 1);
  for (const std::int64_t v : values) ++counts[(v - least) / width];
  const std::int64_t highest = std::ranges::max(counts);
  std::vector<std::string> names;
  for (std::int64_t first = least; first <= most; first += width) {
    const std::int64_t last = std::min(first + width - 1, most);
    names.push_back(first == last ? std::to_string(first) : fmt::format("{} to {}", first, last));
  }
  std::vector<std::string> lines;
  const std::size_t longest = std::ranges::max(names, {}, &std::string::size).size();
  for (std::size_t b = 0; b < counts.size(); ++b) {
    const std::int64_t filled = (counts[b] * bar_width + highest - 1) / highest;  // rounded up, to show a single value
    lines.push_back(
        fmt::format("{:>{}}  {:<{}}  {}", names[b], longest, std::string(filled, '#'), bar_width, counts[b]));
  }
  return lines;
}

}  // namespace shoal
