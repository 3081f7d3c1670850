// Synthetic(alpha, beta) of FedProx: every device has a linear classifier and a distribution of features of its own. Li
// et al., MLSys 2020 (arXiv 1812.06127), section 5.1 and appendix C.1. Device k: y = argmax(W x + b), the elements of W
// and b standard normal; x normal around v_k with variances j^-1.2 of feature j, the elements of v_k normal around B_k,
// B_k normal with deviation beta. The paper's mean u_k of W and b, with deviation alpha, is left out: it adds the same
// number to all scores of an example, so no label depends on it. A device has 50 + floor(exp(4 + 2 z)) examples, z
// normal, a tenth of them in the test set. Devices are the natural clients.
#include <algorithm>
#include <cmath>

#include "datasets/sources/shared/contents.hpp"
#include "sim/random.hpp"
#include "sim/task/data.hpp"

namespace shoal::sources {
namespace {

constexpr std::int64_t features = 60, classes = 10;
constexpr std::int64_t most_examples = 1'000'000;  // of a device: about five standard deviations out

class SyntheticAlphaBeta final : public Source {
 public:
  explicit SyntheticAlphaBeta(Settings& s)
      : beta_(s.number("beta", 1, "how much the devices' features differ", between(0, 1e3))),
        devices_(s.integer("devices", 30, "natural clients", between(1, 100'000))),
        seed_(s.integer("seed", 1, "seed of the data, independent of the run's seed", at_least(0))) {}

  Dataset load() const override {
    Examples train, test;
    train.form = test.form = {.shape = {features, 1, 1}, .classes = classes};
    for (std::int64_t device = 0; device < devices_; ++device) add(device, train, test);
    return dataset_of(std::move(train), std::move(test));
  }

 private:
  void add(std::int64_t device, Examples& train, Examples& test) const {
    RandomStream random(random_key(seed_, "source/synthetic"), device);
    const auto normals = [&](std::int64_t count, double mean) {
      std::vector<double> drawn;
      for (std::int64_t i = 0; i < count; ++i) drawn.push_back(mean + random.normal());
      return drawn;
    };
    const auto count = std::min(most_examples, 50 + static_cast<std::int64_t>(std::exp(4 + 2 * random.normal())));
    const double feature_mean = beta_ * random.normal();
    const std::vector<double> weights = normals(classes * features, 0), bias = normals(classes, 0);
    const std::vector<double> centre = normals(features, feature_mean);
    const std::int64_t trained = count * 9 / 10;
    std::vector<double> x(features), scores(classes);
    for (std::int64_t i = 0; i < count; ++i) {
      for (std::size_t j = 0; j < x.size(); ++j) {
        x[j] = centre[j] + std::pow(j + 1, -0.6) * random.normal();
      }
      for (std::size_t k = 0; k < scores.size(); ++k) {
        scores[k] = bias[k];
        for (std::size_t j = 0; j < x.size(); ++j) scores[k] += weights[k * x.size() + j] * x[j];
      }
      Examples& half = i < trained ? train : test;
      half.floats.insert(half.floats.end(), x.begin(), x.end());
      half.labels.push_back(std::ranges::max_element(scores) - scores.begin());
      half.groups.push_back(device);
    }
  }

  double beta_;
  std::int64_t devices_;
  std::uint64_t seed_;
};

}  // namespace

std::unique_ptr<Source> synthetic_alpha_beta(Settings& settings) {
  return std::make_unique<SyntheticAlphaBeta>(settings);
}

}  // namespace shoal::sources
