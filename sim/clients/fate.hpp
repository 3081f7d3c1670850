#pragma once
// What becomes of a participation: when its phases end, and whether, when and in which phase it is lost. Decided at its
// start, from draws and availability alone, before anything is trained.

#include <span>
#include <vector>

#include "sim/clients/population.hpp"
#include "sim/participation.hpp"

namespace shoal {

/// Lengths of a participation's phases when nothing interrupts it: the time from the start to the end of each,
/// ascending. Download, training, upload; a protocol with more phases appends its own.
using PhaseEnds = std::vector<Ticks>;

/// What the server demands of one participation.
struct Terms {
  double dropout = 0;        // probability that the client is lost by chance, beside what [population] says
  Ticks deadline{never};     // whoever has not finished by then is lost
  bool keeps_result = true;  // or the client is lost when its training ends
};

struct Fate {
  Ticks finish{};  // when the update arrives, or when the client is lost
  Outcome outcome = Outcome::completes;
};

/// The fate of participation `id` of `client` that starts at `start` and would take `phases` undisturbed: lost by
/// chance
/// (`Terms::dropout`, the device's, [population] losses) at a uniform moment of a phase, by the end of availability, or
/// by the deadline, whichever comes first; otherwise it completes. Under Offline::pause times are those of work done,
/// and who never comes back is lost when it worked last. A pure function of its arguments.
Fate fate_of(const Population& population, ClientId client, ParticipationId id, Ticks start,
             std::span<const Ticks> phases, const Terms& terms);

}  // namespace shoal
