// Deals the training examples evenly: shuffled, every client gets the same number, give or take one. With more clients
// than examples some clients hold none. McMahan et al., AISTATS 2017 (arXiv 1602.05629), section 3, "IID".
#include <numeric>
#include <vector>

#include "datasets/partitions/shared/dealt.hpp"
#include "sim/random.hpp"

namespace shoal::partitions {
namespace {

class Iid final : public Partition {
 public:
  explicit Iid(Settings& s) : clients_(clients_setting(s)) {}

  std::unique_ptr<ClientExamples> deal(const ExampleStore& train, std::uint64_t seed) const override {
    std::vector<std::int32_t> order(train.count());
    std::iota(order.begin(), order.end(), 0);
    RandomStream random(random_key(seed, "partition"), 0);
    shuffle(std::span(order), random);
    std::vector<std::int32_t> owner(order.size());
    for (std::int64_t i = 0; i < train.count(); ++i) {
      owner[order[i]] = i * clients_ / train.count();
    }
    return dealt(owner, clients_);
  }

 private:
  std::int64_t clients_;
};

}  // namespace

std::unique_ptr<Partition> iid(Settings& settings) { return std::make_unique<Iid>(settings); }

}  // namespace shoal::partitions
