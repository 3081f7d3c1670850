#pragma once
// What travels: down, an immutable message; up, channels that were declared before training.

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "sim/ids.hpp"
#include "sim/nn/layout.hpp"
#include "sim/nn/rows.hpp"

namespace shoal {

/// What a client downloads: one version of the model and whatever else the parts broadcast with it. Immutable: the
/// engine copies tensors before a strategy changes its state in place while a participation still needs the version.
struct Message {
  Version version{};
  std::map<std::string, at::Tensor, std::less<>> tensors;

  const at::Tensor& params() const { return tensors.at("params"); }
  /// Bytes of all tensors: what one download costs.
  std::int64_t bytes() const;
};

/// How the clients' values of a channel are weighted in their mean.
enum class Weighting : std::int8_t {
  examples,  // by the client's training examples
  uniform,   // all alike
  real,      // by UpdateBlock::weight, rounded to units of 2^-24
};

/// One named vector that each client returns.
struct Channel {
  std::string name;
  std::int64_t size = 0;  // values per client
  Weighting weighting = Weighting::examples;
  // Largest magnitude of a value; a client beyond it is rejected, like one that is not finite. None: [aggregator]
  // bound.
  std::optional<double> bound{};
  double largest_weight = 1;  // of one client, for Weighting::real
  bool needs_mean = false;    // a count over clients, of which a median says nothing
};

/// The usual only channel: the change of the parameters.
inline Channel delta_channel(const ParameterLayout& layout, Weighting weighting = Weighting::examples) {
  return {.name = "delta", .size = layout.size, .weighting = weighting};
}

/// What the K clients of a block return: one Rows [K, size] per declared channel, in order.
struct UpdateBlock {
  std::vector<Rows> channels;
  std::vector<double> weight{};  // [K]; only for Weighting::real

  UpdateBlock() = default;
  UpdateBlock(Rows only) : channels{std::move(only)} {}  // NOLINT(google-explicit-constructor)
  UpdateBlock(std::vector<Rows> rows, std::vector<double> weights = {})
      : channels(std::move(rows)), weight(std::move(weights)) {}
};

/// The weighted mean of each channel over the accepted clients of one group, or what a robust rule puts in its place.
struct Aggregate {
  std::vector<at::Tensor> means;  // per channel, [size], in the model's type
  std::vector<double> weights;    // per channel, the total weight behind the mean
  std::int64_t clients = 0;       // accepted

  at::Tensor& mean(std::size_t channel = 0) { return means[channel]; }
  const at::Tensor& mean(std::size_t channel = 0) const { return means[channel]; }
};

}  // namespace shoal
