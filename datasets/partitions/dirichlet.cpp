// Deals every class to the clients in proportions drawn from Dirichlet(alpha, ..., alpha): the smaller alpha, the fewer
// clients share a class. Hsu, Qi, Brown 2019 (arXiv 1909.06335); class by class as in NIID-Bench, Li et al., ICDE 2022
// (arXiv 2102.02079), without its cap on large clients. Clients may be empty unless `minimum` is set.
#include <algorithm>
#include <cmath>
#include <vector>

#include "datasets/dealt.hpp"
#include "sim/random.hpp"

namespace shoal::partitions {
namespace {

constexpr std::int64_t most_tries = 1000;

/// Where each client's part of `total` examples begins, [clients + 1]: proportions ~ Dirichlet(alpha). Cut at
/// floor(cumulative share * total + u), u uniform: every client's expected number is then exactly its share (cutting at
/// the floor alone, the first clients would pay for the last).
std::vector<std::int32_t> draw_cuts(std::int64_t clients, double alpha, std::int64_t total, RandomStream& random) {
  // Gamma(a) = Gamma(a + 1) U^(1/a), as logarithms: with a small alpha all the gammas would underflow to zero.
  std::vector<double> weight(static_cast<std::size_t>(clients));
  for (double& w : weight) {
    const double log_gamma = std::log(random.gamma(alpha < 1 ? alpha + 1 : alpha));
    w = alpha < 1 ? log_gamma + std::log(1 - random.uniform()) / alpha : log_gamma;
  }
  const double largest = *std::max_element(weight.begin(), weight.end());
  double sum = 0;
  for (double& w : weight) sum += w = std::exp(w - largest);

  const double offset = random.uniform();
  std::vector<std::int32_t> cuts(weight.size() + 1);
  double below = 0;
  for (std::size_t c = 0; c + 1 < weight.size(); ++c) {
    below += weight[c];
    const auto cut = static_cast<std::int64_t>(std::floor(below / sum * static_cast<double>(total) + offset));
    cuts[c + 1] = static_cast<std::int32_t>(std::min(cut, total));
  }
  cuts.back() = static_cast<std::int32_t>(total);
  return cuts;
}

class Dirichlet final : public Partition {
 public:
  explicit Dirichlet(Settings& s)
      : clients_(clients_setting(s)),
        alpha_(s.number("alpha", 0.3, "concentration: small values give clients of few classes", between(1e-6, 1e6))),
        minimum_(s.integer("minimum", 0, "draw again until every client has at least this many examples",
                           between(0, 2147483647))),
        where_(s.where()) {}

  std::unique_ptr<ClientExamples> deal(const Examples& train, std::uint64_t seed) const override {
    if (minimum_ > train.count() / clients_) {
      user_error(
          "{} clients with {} examples or more each need {} (the data set has {} for training). Lower 'clients' or "
          "'minimum' ({})?",
          clients_, minimum_, clients_ * minimum_, train.count(), where_);
    }
    std::vector<std::vector<std::int32_t>> of_class(static_cast<std::size_t>(train.classes));
    for (std::size_t i = 0; i < train.labels.size(); ++i) {
      of_class.at(static_cast<std::size_t>(train.labels[i])).push_back(static_cast<std::int32_t>(i));
    }
    const RandomKey key = random_key(seed, Purpose::partition);
    const auto cuts = accepted_cuts(of_class, key);
    std::vector<std::int32_t> owner(train.labels.size());
    for (std::size_t k = 0; k < of_class.size(); ++k) {
      RandomStream random(key, static_cast<std::int64_t>(k));
      shuffle(std::span(of_class[k]), random);
      for (std::size_t c = 0; c < static_cast<std::size_t>(clients_); ++c) {
        for (std::int32_t i = cuts[k][c]; i < cuts[k][c + 1]; ++i) {
          owner[static_cast<std::size_t>(of_class[k][static_cast<std::size_t>(i)])] = static_cast<std::int32_t>(c);
        }
      }
    }
    return dealt(owner, clients_);
  }

 private:
  /// Cuts of every class, drawn until each client has its minimum. Keyed by (class, try); try 0 is the shuffle.
  std::vector<std::vector<std::int32_t>> accepted_cuts(const std::vector<std::vector<std::int32_t>>& of_class,
                                                       RandomKey key) const {
    std::int64_t best = 0;
    for (std::int64_t attempt = 1; attempt <= most_tries; ++attempt) {
      std::vector<std::vector<std::int32_t>> cuts;
      std::vector<std::int64_t> size(static_cast<std::size_t>(clients_));
      for (std::size_t k = 0; k < of_class.size(); ++k) {
        RandomStream random(key, static_cast<std::int64_t>(k), attempt);
        cuts.push_back(draw_cuts(clients_, alpha_, static_cast<std::int64_t>(of_class[k].size()), random));
        for (std::size_t c = 0; c < size.size(); ++c) size[c] += cuts[k][c + 1] - cuts[k][c];
      }
      const std::int64_t smallest = *std::min_element(size.begin(), size.end());
      if (smallest >= minimum_) return cuts;
      best = std::max(best, smallest);
    }
    user_error(
        "no draw in {} gave every client {} examples or more (at best the smallest of {} clients had {}, alpha {}). "
        "Lower "
        "'minimum' or 'clients', or raise 'alpha' ({})?",
        most_tries, minimum_, clients_, best, alpha_, where_);
  }

  std::int64_t clients_;
  double alpha_;
  std::int64_t minimum_;
  std::string where_;
};

}  // namespace

std::unique_ptr<Partition> dirichlet(Settings& settings) { return std::make_unique<Dirichlet>(settings); }

}  // namespace shoal::partitions
