#pragma once
// Regions of clients: zones of local time, and outages that cut off a whole region at once.

#include <vector>

#include "sim/clients/availability.hpp"
#include "sim/clients/shares.hpp"

namespace shoal {

/// The clients' regions; by default a single one at UTC, without outages.
class Regions {
 public:
  /// Reads [population.regions].
  Regions(const Settings& settings, std::uint64_t seed);

  int region(const Who& who) const { return offsets_.size() == 1 ? 0 : shares_.choose(who.draws(key_).uniform()); }
  /// The same client with its region's local time.
  Who in_region(Who who) const {
    who.utc_offset = offsets_[region(who)];
    return who;
  }
  bool have_outages() const { return outage_ > 0; }
  /// Off while the client's region has an outage, which cuts off all of its clients together.
  Stretch at(const Who& who, Ticks time) const;

 private:
  RandomKey key_, outage_key_;
  std::vector<Ticks> offsets_;
  Shares shares_;
  double outage_;
  Ticks period_;
};

}  // namespace shoal
