#include "sim/pipeline/ledger.hpp"

#include <numeric>

#include "sim/error.hpp"

namespace shoal::pipeline {

std::int64_t Ledger::all_dropped() const { return std::accumulate(dropped.begin(), dropped.end(), std::int64_t{0}); }

Ledger& Ledger::operator+=(const Ledger& other) {
  produced += other.produced;
  consumed += other.consumed;
  for (std::size_t r = 0; r < dropped.size(); ++r) dropped[r] += other.dropped[r];
  resident += other.resident;
  return *this;
}

void Ledger::check() const {
  ensure(produced == consumed + all_dropped() + resident,
         "turns are not conserved ({} produced, {} consumed, {} dropped, {} resident)", produced, consumed,
         all_dropped(), resident);
}

}  // namespace shoal::pipeline
