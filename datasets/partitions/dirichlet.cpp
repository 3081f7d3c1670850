// Deals every class to the clients in proportions drawn from Dirichlet(alpha, ..., alpha): the smaller alpha, the fewer
// clients share a class. Hsu, Qi, Brown 2019 (arXiv 1909.06335); class by class as in NIID-Bench, Li et al., ICDE 2022
// (arXiv 2102.02079), without its cap on large clients. Clients may be empty unless `minimum` is set.
#include <vector>

#include "datasets/partitions/shared/dealt.hpp"
#include "datasets/partitions/shared/labels.hpp"
#include "datasets/partitions/shared/minimum.hpp"
#include "datasets/partitions/shared/proportions.hpp"

namespace shoal::partitions {
namespace {

class Dirichlet final : public Partition {
 public:
  explicit Dirichlet(Settings& s)
      : clients_(clients_setting(s)),
        alpha_(s.number("alpha", 0.3, "concentration: small values give clients of few classes", between(1e-6, 1e6))),
        minimum_(s, "alpha", alpha_),
        where_(s.where()) {}

  std::unique_ptr<ClientExamples> deal(const ExampleStore& train, std::uint64_t seed) const override {
    minimum_.check(clients_, train.count());
    std::vector<std::vector<std::int32_t>> of_class = examples_by_class(train, where_);
    const RandomKey key = random_key(seed, "partition");
    const auto cuts = accepted_cuts(of_class, key);
    std::vector<std::int32_t> owner(train.count());
    for (std::size_t k = 0; k < of_class.size(); ++k) {
      RandomStream random(key, k);
      shuffle(std::span(of_class[k]), random);
      for (std::int64_t c = 0; c < clients_; ++c) {
        for (std::int32_t i = cuts[k][c]; i < cuts[k][c + 1]; ++i) {
          owner[of_class[k][i]] = c;
        }
      }
    }
    return dealt(owner, clients_);
  }

 private:
  // Cuts of every class, drawn until each client has its minimum. Keyed by (class, attempt); attempt 0 is the shuffle.
  std::vector<std::vector<std::int32_t>> accepted_cuts(const std::vector<std::vector<std::int32_t>>& of_class,
                                                       RandomKey key) const {
    std::vector<std::vector<std::int32_t>> cuts;
    std::vector<std::int64_t> sizes;
    minimum_.draw_until_met([&](std::int64_t attempt) {
      cuts.clear();
      sizes.assign(clients_, 0);
      for (std::size_t k = 0; k < of_class.size(); ++k) {
        RandomStream random(key, k, attempt);
        cuts.push_back(dirichlet_cuts(clients_, alpha_, of_class[k].size(), random));
        for (std::size_t c = 0; c < sizes.size(); ++c) sizes[c] += cuts[k][c + 1] - cuts[k][c];
      }
      return std::span<const std::int64_t>(sizes);
    });
    return cuts;
  }

  std::int64_t clients_;
  double alpha_;
  MinimumExamples minimum_;
  std::string where_;
};

}  // namespace

std::unique_ptr<Partition> dirichlet(Settings& settings) { return std::make_unique<Dirichlet>(settings); }

}  // namespace shoal::partitions
