// Deals every client `classes` different classes at random, and divides the examples of each class evenly, at random,
// among the clients that hold it. "#C = k", the quantity-based label imbalance of NIID-Bench, Li et al., ICDE 2022
// (arXiv 2102.02079). There the numbers of clients that hold a class are random, and a class that no client holds is
// left out; here they differ by one at most, and every example is dealt.
#include <algorithm>
#include <string>
#include <vector>

#include "datasets/partitions/shared/class_holders.hpp"
#include "datasets/partitions/shared/dealt.hpp"
#include "datasets/partitions/shared/labels.hpp"
#include "sim/random.hpp"

namespace shoal::partitions {
namespace {

class ClassesPerClient final : public Partition {
 public:
  explicit ClassesPerClient(Settings& s)
      : clients_(clients_setting(s)),
        classes_(s.integer("classes", 0,
                           "different classes that each client holds; 0: two, or more if some class would otherwise "
                           "have no client",
                           between(0, 1e6))),
        where_(s.where()) {}

  std::unique_ptr<ClientExamples> deal(const ExampleStore& train, std::uint64_t seed) const override {
    std::vector<std::vector<std::int32_t>> of_class = examples_by_class(train, where_);
    std::erase_if(of_class, [](const auto& examples) { return examples.empty(); });

    const std::int64_t each = classes_of_a_client(std::ssize(of_class));
    check(each, of_class, train);
    const RandomKey key = random_key(seed, "partition/classes_per_client");
    RandomStream random(key, -1);
    const auto holders = class_holders(clients_, each, std::ssize(of_class), random);
    std::vector<std::int32_t> owner(train.count());
    for (std::size_t k = 0; k < of_class.size(); ++k) {
      const std::int64_t examples = std::ssize(of_class[k]), clients = std::ssize(holders[k]);
      RandomStream order(key, k);
      shuffle(std::span(of_class[k]), order);
      for (std::int64_t i = 0; i < examples; ++i) owner[of_class[k][i]] = holders[k][i * clients / examples];
    }
    return dealt(owner, clients_);
  }

 private:
  std::int64_t classes_of_a_client(std::int64_t present) const {
    if (classes_ > 0) return classes_;
    return std::min(present, std::max<std::int64_t>(2, (present + clients_ - 1) / clients_));
  }

  // UserError unless every client can hold `each` classes with an example of each, and every class has a client.
  void check(std::int64_t each, const std::vector<std::vector<std::int32_t>>& of_class,
             const ExampleStore& train) const {
    const std::int64_t present = std::ssize(of_class), places = clients_ * each;
    if (each > present) {
      user_error("{}: {} classes per client (the training examples have {}). Lower 'classes'.", where_, each, present);
    }
    if (places < present) {
      user_error(
          "{}: {} clients with {} classes each hold at most {} (the training examples have {}). Raise 'clients' or "
          "'classes'.",
          where_, clients_, each, places, present);
    }
    const std::int64_t most_holders = (places + present - 1) / present;
    const auto fewest = std::ranges::min_element(of_class, {}, [](const auto& examples) { return examples.size(); });
    if (std::ssize(*fewest) < most_holders) {
      user_error(
          "{}: {} clients with {} classes each need up to {} training examples of every class (class {} has {}). Lower "
          "'clients' or 'classes'.",
          where_, clients_, each, most_holders, train.labels()[fewest->front()], fewest->size());
    }
  }

  std::int64_t clients_, classes_;
  std::string where_;
};

}  // namespace

std::unique_ptr<Partition> classes_per_client(Settings& settings) {
  return std::make_unique<ClassesPerClient>(settings);
}

}  // namespace shoal::partitions
