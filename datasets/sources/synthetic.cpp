// Generated examples that need no file: every class is a normal cluster with unit variance around its own centre,
// classes in turn. `separation` is the root mean square distance of two centres: 1 is hard, 10 nearly separable.
#include <cmath>

#include "datasets/sources/shared/contents.hpp"
#include "sim/random.hpp"
#include "sim/task/data.hpp"

namespace shoal::sources {
namespace {

// The second part of a draw's key, so that centres and examples never share numbers.
enum class Draw : std::int64_t { centre = 0, train = 1, test = 2 };

class Synthetic final : public Source {
 public:
  explicit Synthetic(Settings& s)
      : examples_(s.integer("examples", 10000, "training examples", between(1, 2147483647))),
        test_examples_(s.integer("test_examples", 2000, "test examples", between(1, 2147483647))),
        features_(s.integer("features", 32, "numbers per example", between(1, 1e6))),
        classes_(s.integer("classes", 10, "number of classes", between(2, 1e6))),
        separation_(s.number("separation", 5, "root mean square distance of two class centres, in standard deviations",
                             between(0, 1e6))),
        groups_(s.integer("groups", 0, "natural clients that the examples come from, in turn; 0: no groups",
                          between(0, 2147483647))),
        seed_(s.integer("seed", 1, "seed of the data, independent of the run's seed", at_least(0))),
        where_(s.where()) {
    constexpr std::int64_t most = std::int64_t{1} << 32;
    const std::int64_t numbers = (examples_ + test_examples_ + classes_) * features_;
    if (numbers > most) {
      user_error("synthetic data of {} numbers (at most {} fit in memory). Lower 'examples' or 'features' ({}).",
                 numbers, most, where_);
    }
  }

  Dataset load() const override {
    const RandomKey key = random_key(seed_, "source/synthetic");
    // Two centres differ by 2 s^2 per feature in the mean square.
    const double deviation = separation_ / std::sqrt(2.0 * features_);
    std::vector<double> centres;
    centres.reserve(classes_ * features_);
    for (std::int64_t k = 0; k < classes_; ++k) {
      RandomStream random(key, k, static_cast<std::int64_t>(Draw::centre));
      for (std::int64_t j = 0; j < features_; ++j) centres.push_back(deviation * random.normal());
    }
    Examples train = draw(key, centres, examples_, Draw::train);
    for (std::int64_t i = 0; groups_ > 0 && i < examples_; ++i) {
      train.groups.push_back(i / classes_ % groups_);
    }
    return dataset_of(std::move(train), draw(key, centres, test_examples_, Draw::test));
  }

 private:
  Examples draw(RandomKey key, const std::vector<double>& centres, std::int64_t count, Draw what) const {
    Examples examples;
    examples.form = {.shape = {features_, 1, 1}, .classes = classes_};
    examples.floats.reserve(count * features_);
    examples.labels.reserve(count);
    for (std::int64_t i = 0; i < count; ++i) {
      const std::int64_t label = i % classes_;
      examples.labels.push_back(label);
      RandomStream random(key, i, static_cast<std::int64_t>(what));
      for (std::int64_t j = 0; j < features_; ++j) {
        const double centre = centres[label * features_ + j];
        examples.floats.push_back(centre + random.normal());
      }
    }
    return examples;
  }

  std::int64_t examples_, test_examples_, features_, classes_;
  double separation_;
  std::int64_t groups_;
  std::uint64_t seed_;
  std::string where_;
};

}  // namespace

std::unique_ptr<Source> synthetic(Settings& settings) { return std::make_unique<Synthetic>(settings); }

}  // namespace shoal::sources
