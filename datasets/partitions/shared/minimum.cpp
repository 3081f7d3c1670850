#include "datasets/partitions/shared/minimum.hpp"

#include <algorithm>
#include <utility>

#include "sim/error.hpp"

namespace shoal {
namespace {

constexpr std::int64_t most_tries = 1000;

}  // namespace

MinimumExamples::MinimumExamples(const Settings& settings, std::string concentration, double value)
    : minimum_(settings.integer("minimum", 0, "draw again until every client has at least this many examples",
                                between(0, 2147483647))),
      concentration_(std::move(concentration)),
      value_(value),
      where_(settings.where()) {}

void MinimumExamples::check(std::int64_t clients, std::int64_t total) const {
  if (minimum_ <= total / clients) return;
  user_error(
      "{}: {} clients with {} examples or more each need {} (the data set has {} for training). Lower 'clients' or "
      "'minimum'.",
      where_, clients, minimum_, clients * minimum_, total);
}

void MinimumExamples::draw_until_met(
    const std::function<std::span<const std::int64_t>(std::int64_t attempt)>& draw) const {
  std::int64_t best = 0;
  std::size_t clients = 0;
  for (std::int64_t attempt = 1; attempt <= most_tries; ++attempt) {
    const std::span<const std::int64_t> sizes = draw(attempt);
    const std::int64_t smallest = *std::ranges::min_element(sizes);
    if (smallest >= minimum_) return;
    best = std::max(best, smallest);
    clients = sizes.size();
  }
  user_error(
      "{}: no draw in {} gave every client {} examples or more (at best the smallest of {} clients had {}, {} {}). "
      "Lower 'minimum' or 'clients', or raise '{}'.",
      where_, most_tries, minimum_, clients, best, concentration_, value_, concentration_);
}

}  // namespace shoal
