#include "sim/task/holdout.hpp"

#include <algorithm>
#include <cmath>

namespace shoal {
namespace {

struct Counts {
  std::int64_t train, validation, test;
};

Counts divide(std::int64_t examples, const HoldoutShares& shares) {
  const auto part = [&](double share) { return std::llround(share * examples); };
  const std::int64_t most = std::max<std::int64_t>(0, examples - 1);
  const std::int64_t test = std::min<std::int64_t>(part(shares.test), most);
  const std::int64_t validation = std::min<std::int64_t>(part(shares.validation), most - test);
  return {examples - test - validation, validation, test};
}

}  // namespace

HoldoutShares::HoldoutShares(const Settings& data)
    : validation(
          data.number("validation", 0, "share of each client's examples held out for validation", between(0, 1))),
      test(data.number("test", 0, "share of each client's examples held out for its own test", between(0, 1))) {
  if (validation + test >= 1) {
    user_error("{}: nothing is left to train on (validation {} and test {}). Hold out less.", data.where(), validation,
               test);
  }
}

Holdout::Holdout(std::unique_ptr<ClientExamples> clients, HoldoutShares shares, std::uint64_t seed)
    : clients_(std::move(clients)), shares_(shares), key_(random_key(seed, "task/holdout")) {}

std::int64_t Holdout::count(ClientId client, std::string_view set) const {
  const Counts counts = divide(clients_->count(client), shares_);
  if (set == "train") return counts.train;
  if (set == "validation") return counts.validation;
  return set == "test" ? counts.test : 0;
}

std::vector<std::int32_t> Holdout::indices(ClientId client, std::string_view set) const {
  std::vector<std::int32_t> all(clients_->count(client));
  clients_->indices(client, all);
  if (!holds_out("validation") && !holds_out("test")) {
    if (set != "train") all.clear();
    return all;
  }
  RandomStream random(key_, value(client));
  shuffle(std::span(all), random);
  const Counts counts = divide(all.size(), shares_);
  const auto validation = all.begin() + counts.test, train = validation + counts.validation;
  if (set == "test") return {all.begin(), validation};
  if (set == "validation") return {validation, train};
  if (set == "train") return {train, all.end()};
  return {};
}

std::vector<std::int32_t> Holdout::all_indices(std::string_view set) const {
  std::vector<std::int32_t> all;
  for (std::int64_t client = 0; client < clients(); ++client) {
    const std::vector<std::int32_t> own = indices(ClientId{client}, set);
    all.insert(all.end(), own.begin(), own.end());
  }
  return all;
}

bool Holdout::holds_out(std::string_view set) const {
  if (set == "train") return true;
  if (set == "validation") return shares_.validation > 0;
  return set == "test" && shares_.test > 0;
}

}  // namespace shoal
