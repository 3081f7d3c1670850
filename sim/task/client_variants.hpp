#pragma once
// The variant of the model that each client trains.

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "sim/clients/population.hpp"

namespace shoal {

/// The settings of [task] that give each client a variant, for all rounds: drawn with given shares, or by the tier of
/// its device.
class ClientVariants {
 public:
  explicit ClientVariants(const Settings& task);

  /// Each client's variant, a function of (seed, client) alone. UserError if the settings do not fit a model of this
  /// many variants, or the population. `population` is asked for where there are several; with one the list is empty.
  std::vector<std::int32_t> assign(std::int32_t variants, const std::function<Population()>& population) const;

 private:
  std::vector<std::int32_t> drawn(std::int32_t variants, const Population& population) const;
  std::vector<std::int32_t> by_tier(std::int32_t variants, const Population& population) const;

  std::string where_;
  bool by_tier_;
  std::vector<double> shares_;
  std::vector<std::int64_t> of_tier_;
};

}  // namespace shoal
