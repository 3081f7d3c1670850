#include "sim/round/resolution.hpp"

#include <algorithm>
#include <cmath>

#include "kernels/fixed_point.hpp"

namespace shoal {
namespace {

bool is_summed_exactly(const Aggregator& aggregator, const Channel& channel) {
  return aggregator.reproducible() && (!aggregator.needs_rows() || channel.needs_mean);
}

// Rounded down, so that a user can type it.
double two_digits(double x) {
  const double unit = std::pow(10, std::floor(std::log10(x)) - 1);
  return std::floor(x / unit) * unit;
}

// Whether a part has declared the channel with a bound of its own. Only stages declare channels with a section's name.
bool has_own_bound(const Channel& channel, const Federation& federation) {
  if (channel.name.find('/') != std::string::npos) return true;
  const std::vector<Channel> declared = federation.strategy->channels(federation.layout());
  return std::ranges::any_of(declared, [&](const Channel& c) { return c.name == channel.name && c.bound; });
}

// `total`: weight of all clients, at least one unit of weight.
void require_resolution(const Channel& channel, double total, const Federation& federation) {
  if (!is_summed_exactly(*federation.aggregator, channel)) return;
  const double unit = std::ldexp(1.0, -unit_exponent(total, *channel.bound));
  if (unit <= coarsest_unit) return;
  const double largest = 0x1p62 * coarsest_unit / total;  // as unit_exponent: total weight * bound * 2^exponent < 2^62
  const std::string facts = fmt::format(
      "values of the channel '{}' up to {:.3g} with a total weight of {:.3g} would be summed in units of {:.2g}, so "
      "that smaller ones vanish",
      channel.name, *channel.bound, total, unit);
  if (has_own_bound(channel, federation)) {
    user_error("{}. The part that declares the channel must bound it by {:.2g} to keep units of 2^-20.", facts,
               two_digits(largest));
  }
  // Codecs scale the bound.
  const double own = two_digits(largest * federation.sums.bound / *channel.bound);
  user_error("[aggregator] 'bound' = {:g}: {}. Lower it to at most {:.2g}, which keeps units of 2^-20 (about 1e-6).",
             federation.sums.bound, facts, own);
}

double mean_examples(const Task& task) {
  constexpr std::int64_t most_clients = 1000;
  const std::int64_t clients = std::min(task.clients(), most_clients);
  double sum = 0;
  for (std::int64_t c = 0; c < clients; ++c) sum += task.work(ClientId{c}).examples;
  return sum / clients;
}

}  // namespace

void require_resolution(const AggregationPlan& plan, const Federation& federation) {
  for (std::size_t c = 0; c < plan.wires.size(); ++c) {
    const double total = std::max(plan.total_weight[c], plan.scales[c].weight_unit);
    require_resolution(plan.wires[c].channel, total, federation);
  }
}

void require_resolution(const Federation& federation, const Composition& all) {
  const double clients = std::max(1.0, federation.planner->sampling(all).expected);
  const double examples = std::max(1.0, mean_examples(all.task));
  for (const Wire& wire : all.wires) {
    double weight = 1;
    if (wire.channel.weighting == Weighting::examples) weight = examples;
    if (wire.channel.weighting == Weighting::real) weight = std::max(wire.channel.largest_weight, 0x1p-24);
    require_resolution(wire.channel, clients * weight, federation);
  }
}

}  // namespace shoal
