#pragma once
// Variants of a network with smaller widths, nested in the whole.

#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "sim/nn/network.hpp"
#include "sim/settings/settings.hpp"

namespace shoal {

/// One variant while it is built: what its ratio makes of the whole model's hidden layers.
class Shrunk {
 public:
  /// `ratio` of the widths, in (0, 1]; `scales`: whether training divides the outputs of hidden layers by it.
  Shrunk(double ratio, bool scales) : ratio_(ratio), scales_(scales) {}

  /// The first ceil(width * ratio) units or channels remain.
  std::int64_t width(std::int64_t of_whole) const;
  /// Adds a hidden layer with weights, and the factor behind it if there is one.
  Network& hidden(Network& to, std::shared_ptr<const Layer> layer) const;

 private:
  double ratio_;
  bool scales_;
};

/// The settings `shrink` and `scaler` of models whose widths can be scaled. A variant has the upper left block of each
/// hidden weight, and the whole input and output (Diao, Ding and Tarokh 2021, HeteroFL, arXiv 2010.01264).
class Shrink {
 public:
  explicit Shrink(const Settings& model);

  /// The whole network that `make` builds, on this device, with its variants.
  std::shared_ptr<const Network> build(at::Device device, const std::function<Network(const Shrunk&)>& make) const;

 private:
  std::vector<double> ratios_;
  bool scales_;
};

}  // namespace shoal
