// Quantity skew: clients hold unequal numbers of examples, in proportions drawn from Dirichlet(beta, ..., beta), but
// labels are IID. NIID-Bench, Li et al., ICDE 2022 (arXiv 2102.02079): q ~ Dir(beta); its experiments use
// beta = 0.5 and draw again until every client has 10 examples (`minimum`). Clients may be empty otherwise.
#include <numeric>
#include <vector>

#include "datasets/partitions/shared/dealt.hpp"
#include "datasets/partitions/shared/minimum.hpp"
#include "datasets/partitions/shared/proportions.hpp"

namespace shoal::partitions {
namespace {

class Quantity final : public Partition {
 public:
  explicit Quantity(Settings& s)
      : clients_(clients_setting(s)),
        beta_(s.number("beta", 0.5, "concentration: the smaller, the more unequal the clients", between(1e-6, 1e6))),
        minimum_(s, "beta", beta_) {}

  std::unique_ptr<ClientExamples> deal(const ExampleStore& train, std::uint64_t seed) const override {
    minimum_.check(clients_, train.count());
    const RandomKey key = random_key(seed, "partition");
    const std::vector<std::int32_t> cuts = accepted_cuts(train.count(), key);
    std::vector<std::int32_t> order(train.count());
    std::iota(order.begin(), order.end(), 0);
    RandomStream random(key, 0);
    shuffle(std::span(order), random);
    std::vector<std::int32_t> owner(order.size());
    for (std::size_t c = 0; c + 1 < cuts.size(); ++c) {
      for (std::int32_t i = cuts[c]; i < cuts[c + 1]; ++i) {
        owner[order[i]] = c;
      }
    }
    return dealt(owner, clients_);
  }

 private:
  // Cuts drawn until each client has its minimum. Keyed by the attempt; attempt 0 is the shuffle.
  std::vector<std::int32_t> accepted_cuts(std::int64_t examples, RandomKey key) const {
    std::vector<std::int32_t> cuts;
    std::vector<std::int64_t> sizes(clients_);
    minimum_.draw_until_met([&](std::int64_t attempt) {
      RandomStream random(key, 0, attempt);
      cuts = dirichlet_cuts(clients_, beta_, examples, random);
      for (std::size_t c = 0; c < sizes.size(); ++c) sizes[c] = cuts[c + 1] - cuts[c];
      return std::span<const std::int64_t>(sizes);
    });
    return cuts;
  }

  std::int64_t clients_;
  double beta_;
  MinimumExamples minimum_;
};

}  // namespace

std::unique_ptr<Partition> quantity(Settings& settings) { return std::make_unique<Quantity>(settings); }

}  // namespace shoal::partitions
