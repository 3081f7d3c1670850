#pragma once
// Clients that do only a part of their local work: the systems heterogeneity of Li et al., MLSys 2020 (arXiv
// 1812.06127), where gamma-inexact solutions are runs of fewer epochs.

#include "sim/participation.hpp"
#include "sim/random.hpp"
#include "sim/settings/settings.hpp"

namespace shoal {

class PartialWork {
 public:
  /// Reads [population.partial].
  explicit PartialWork(const Settings& s)
      : share_(s.number("share", 0, "probability that a participation does only a part of its work", between(0, 1))),
        levels_(s.integer("levels", 0,
                          "the part is k / levels with k uniform in 1 to levels: set it to the local epochs "
                          "for a uniform number of epochs; 0: uniform in (0, 1]",
                          between(0, 1e6))),
        keeps_(s.choice("result", true, {{"keep", true}, {"drop", false}},
                        "a client with partial work uploads its update, or drops out when its training ends")) {}

  bool any() const { return share_ > 0; }
  /// Share of the work that participation `id` does, in (0, 1].
  double fraction(std::uint64_t seed, ClientId client, ParticipationId id) const {
    if (share_ == 0) return 1;
    RandomStream random(random_key(seed, "clients/partial_work"), value(client), value(id));
    if (random.uniform() >= share_) return 1;
    if (levels_ == 0) return 1 - random.uniform();
    const double level = 1 + random.below(levels_);
    return level / levels_;
  }
  bool keeps() const { return keeps_; }

 private:
  double share_;
  std::int64_t levels_;
  bool keeps_;
};

}  // namespace shoal
