#pragma once
// Clients with quadratic objectives: everything about a strategy can be computed by hand. For tests, for engine
// overhead, and for watching drift without data.

#include <ATen/core/Tensor.h>

#include <vector>

#include "sim/settings/settings.hpp"
#include "sim/task/task.hpp"

namespace shoal {

/// Client i minimises F_i(x) = 1/2 sum_j h_i (x_j - b_ij)^2 by full-gradient steps; the server's objective is the mean
/// of F_i weighted by examples. Curvatures and optima are listed, or drawn per client from the seed: h_i uniform in
/// [curvature_low, curvature_high], b_ij normal with standard deviation `spread`.
class Quadratic final : public Task {
 public:
  Quadratic(const Settings& settings, std::uint64_t seed);

  const ParameterLayout& layout() const override { return layout_; }
  std::int64_t clients() const override { return clients_; }
  at::Tensor initial_parameters(RandomKey) const override;
  ClientWork work(ClientId client) const override;
  std::unique_ptr<Trainer> trainer() const override;
  /// One chunk per 256 clients, of at most the first 4,096.
  std::int64_t chunks(std::string_view set) const override;
  bool clients_have(std::string_view set) const override { return set == "test"; }

  double curvature(ClientId client) const;
  /// Writes b_i to `out`, [d].
  template <class T>
  void optimum(ClientId client, T* out) const;

 private:
  std::int64_t clients_, dimension_, examples_;
  double start_, spread_, low_, high_;
  std::vector<double> curvatures_, optima_;
  RandomKey key_;
  ParameterLayout layout_;
};

}  // namespace shoal
