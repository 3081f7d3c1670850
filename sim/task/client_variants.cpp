#include "sim/task/client_variants.hpp"

#include <fmt/ranges.h>

#include <algorithm>
#include <numeric>

#include "sim/clients/shares.hpp"
#include "sim/random.hpp"

namespace shoal {

ClientVariants::ClientVariants(const Settings& task)
    : where_(task.where()),
      by_tier_(task.choice("variant", false, {{"random", false}, {"tier", true}},
                           "how clients get a variant of the model: drawn, or by the tier of their device")),
      shares_(task.numbers("variant_shares", {}, "share of the clients with each variant; empty: equal", at_least(0))),
      of_tier_(
          task.integers("variant_of_tier", {}, "variant of each tier of devices, from 0, for \"tier\"", at_least(0))) {
  if (by_tier_ && (of_tier_.empty() || !shares_.empty())) {
    user_error(
        "{}: 'variant' is \"tier\" with {} 'variant_of_tier' and {} 'variant_shares'. List one 'variant_of_tier' for "
        "each tier and no shares.",
        where_, of_tier_.size(), shares_.size());
  }
  if (!by_tier_ && !of_tier_.empty()) {
    user_error("{}: 'variant_of_tier' for variants that are drawn. Set 'variant' to \"tier\".", where_);
  }
  if (!shares_.empty() && std::accumulate(shares_.begin(), shares_.end(), 0.0) <= 0) {
    user_error("{}: the sum of 'variant_shares' is 0. Give one of them a share.", where_);
  }
}

std::vector<std::int32_t> ClientVariants::assign(std::int32_t variants,
                                                 const std::function<Population()>& population) const {
  if (variants > 1) return by_tier_ ? by_tier(variants, population()) : drawn(variants, population());
  if (by_tier_ || !shares_.empty()) {
    user_error("{}: variants for clients of a model that has one. Give [model] several with 'shrink'.", where_);
  }
  return {};
}

std::vector<std::int32_t> ClientVariants::drawn(std::int32_t variants, const Population& population) const {
  if (!shares_.empty() && std::ssize(shares_) != variants) {
    user_error("{}: {} 'variant_shares' for {} variants of the model. List one for each.", where_, shares_.size(),
               variants);
  }
  const Shares shares(shares_.empty() ? std::vector<double>(variants, 1) : shares_);
  const RandomKey key = random_key(population.seed(), "task/variant");
  std::vector<std::int32_t> all(population.size());
  for (std::int64_t client = 0; client < population.size(); ++client) {
    all[client] = shares.choose(RandomStream(key, client).uniform());
  }
  return all;
}

std::vector<std::int32_t> ClientVariants::by_tier(std::int32_t variants, const Population& population) const {
  if (std::ranges::max(of_tier_) >= variants) {
    user_error("{}: 'variant_of_tier' is {}, and the model has variants 0 to {}. List some of these.", where_, of_tier_,
               variants - 1);
  }
  std::vector<std::int32_t> all;
  for (std::int64_t client = 0; client < population.size(); ++client) {
    const int tier = population.device(ClientId{client}).tier;
    if (tier >= std::ssize(of_tier_)) {
      user_error("{}: a device of tier {} and {} 'variant_of_tier'. List one for each tier.", where_, tier,
                 of_tier_.size());
    }
    all.push_back(of_tier_[tier]);
  }
  return all;
}

}  // namespace shoal
