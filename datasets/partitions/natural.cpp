// Deals the examples by their natural groups: a client is a person (or another group, such as a play's role) with all
// its examples. With `clients` set, the groups are dealt to that many clients at random and evenly, the
// "real-world" partition of NIID-Bench, Li et al., ICDE 2022 (arXiv 2102.02079).
// Try: data.name = "synthetic", data.examples = 400, data.groups = 20
#include <algorithm>
#include <numeric>
#include <vector>

#include "datasets/partitions/shared/dealt.hpp"
#include "sim/random.hpp"

namespace shoal::partitions {
namespace {

class Natural final : public Partition {
 public:
  explicit Natural(Settings& s)
      : clients_(s.integer("clients", 0, "clients that the groups are dealt to; 0: each group is a client of its own",
                           between(0, 1e8))),
        where_(s.where()) {}

  std::unique_ptr<ClientExamples> deal(const ExampleStore& train, std::uint64_t seed) const override {
    if (train.groups().empty()) {
      user_error(
          "{}: the data set does not say who its examples are from. Use one that does, such as \"qmnist\", "
          "or another partition.",
          where_);
    }
    const std::span<const std::int32_t> groups = train.groups();
    ensure(std::ssize(groups) == train.count(), "{} groups for {} examples", groups.size(), train.count());
    std::vector<std::int32_t> names(groups.begin(), groups.end());
    std::ranges::sort(names);
    names.erase(std::unique(names.begin(), names.end()), names.end());
    const std::vector<std::int32_t> client_of = clients_of_groups(names.size(), seed);

    std::vector<std::int32_t> owner;
    owner.reserve(groups.size());
    for (const std::int32_t group : groups) {
      owner.push_back(client_of[std::ranges::lower_bound(names, group) - names.begin()]);
    }
    return dealt(owner, clients_ == 0 ? std::ssize(names) : clients_);
  }

 private:
  // The client of each group, with the groups in the order of their numbers.
  std::vector<std::int32_t> clients_of_groups(std::size_t groups, std::uint64_t seed) const {
    std::vector<std::int32_t> client_of(groups);
    std::iota(client_of.begin(), client_of.end(), 0);
    if (clients_ == 0) return client_of;
    if (clients_ > std::ssize(client_of)) {
      user_error("{}: {} clients (the data set has {} groups). Lower 'clients'.", where_, clients_, groups);
    }
    RandomStream random(random_key(seed, "partition"), 0);
    shuffle(std::span(client_of), random);
    for (std::int32_t& place : client_of) {
      place = place * clients_ / std::ssize(client_of);
    }
    return client_of;
  }

  std::int64_t clients_;
  std::string where_;
};

}  // namespace

std::unique_ptr<Partition> natural(Settings& settings) { return std::make_unique<Natural>(settings); }

}  // namespace shoal::partitions
