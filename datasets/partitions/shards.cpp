// Deals shards of few labels: the training examples are sorted by label and cut into equal shards, and each client gets
// `shards_per_client` of them at random, so most clients see only that many labels. McMahan et al., AISTATS 2017
// (arXiv 1602.05629), section 3, "Non-IID".
#include <algorithm>
#include <numeric>
#include <vector>

#include "datasets/partitions/shared/dealt.hpp"
#include "datasets/partitions/shared/labels.hpp"
#include "sim/random.hpp"

namespace shoal::partitions {
namespace {

class Shards final : public Partition {
 public:
  explicit Shards(Settings& s)
      : clients_(clients_setting(s)),
        shards_per_client_(s.integer("shards_per_client", 2, "shards that each client gets", between(1, 1e6))),
        where_(s.where()) {}

  std::unique_ptr<ClientExamples> deal(const ExampleStore& train, std::uint64_t seed) const override {
    const std::int64_t n = train.count(), shards = clients_ * shards_per_client_;
    if (shards > n) {
      user_error(
          "{} clients with {} shards each need {} training examples or more (the data set has {}). Lower 'clients' or "
          "'shards_per_client' ({}).",
          clients_, shards_per_client_, shards, n, where_);
    }
    std::vector<std::int32_t> by_label(n), hand(shards);
    const std::span<const std::int32_t> labels = labels_of(train, where_);
    std::iota(by_label.begin(), by_label.end(), 0);
    std::stable_sort(by_label.begin(), by_label.end(),
                     [&](std::int32_t a, std::int32_t b) { return labels[a] < labels[b]; });
    std::iota(hand.begin(), hand.end(), 0);
    RandomStream random(random_key(seed, "partition"), 0);
    shuffle(std::span(hand), random);
    std::vector<std::int32_t> owner(by_label.size());
    for (std::int64_t i = 0; i < n; ++i) {
      const std::int64_t place = hand[i * shards / n];
      owner[by_label[i]] = place / shards_per_client_;
    }
    return dealt(owner, clients_);
  }

 private:
  std::int64_t clients_, shards_per_client_;
  std::string where_;
};

}  // namespace

std::unique_ptr<Partition> shards(Settings& settings) { return std::make_unique<Shards>(settings); }

}  // namespace shoal::partitions
