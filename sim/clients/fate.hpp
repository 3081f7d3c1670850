#pragma once
// The fate of a participation: when its phases end, and whether, when and in which phase it drops out. Decided at its
// start, from draws and availability alone, before anything is trained.

#include <vector>

#include "sim/clients/population.hpp"
#include "sim/participation.hpp"

namespace shoal {

/// When a participation's phases end if nothing interrupts it, counted from its start: download, training, upload, and
/// those that a protocol adds before the download or after the upload.
class PhaseEnds {
 public:
  /// The ends in order of time; the first `before` of them precede the download's.
  PhaseEnds(std::vector<Ticks> ends, std::size_t before = 0);

  std::size_t count() const { return ends_.size(); }
  Ticks end(std::size_t place) const { return ends_[place]; }
  Ticks begin(std::size_t place) const { return place == 0 ? Ticks{} : ends_[place - 1]; }
  Ticks download() const { return ends_[before_]; }
  Ticks training() const { return ends_[before_ + 1]; }
  Ticks upload() const { return ends_[before_ + 2]; }
  Ticks last() const { return ends_.back(); }
  /// The place of the phase that is under way after `done` of undisturbed work; the last one when all is done.
  std::size_t under_way(Ticks done) const;
  /// Phases are numbered download 0, training 1, upload 2, then the protocol's in order of time. dropout_in and the
  /// setting `dropouts` of [population] use these numbers.
  std::size_t number(std::size_t place) const;
  std::size_t place(std::size_t number) const;

 private:
  std::vector<Ticks> ends_;
  std::size_t before_;
};

/// The server's terms for one participation.
struct Terms {
  double dropout = 0;        // probability that the client drops out by chance, in addition to [population]
  Ticks deadline{never};     // a client that has not finished by then drops out
  bool keeps_result = true;  // false: the client drops out when its training ends
};

struct Fate {
  Ticks finish{};  // when the update arrives, or when the client drops out
  Outcome outcome = Outcome::completes;
};

/// The fate of participation `id` of `client` that starts at `start` and would take `phases` undisturbed. It drops out
/// by chance (`Terms::dropout`, the device's dropout, the setting `dropouts`) at a uniform moment of a phase, when the
/// client goes offline, or at the deadline, whichever comes first; otherwise it completes. Under Offline::pause the
/// uniform moment is one of work done, and a client that never comes back drops out when it last worked. A pure
/// function of its arguments.
Fate fate_of(const Population& population, ClientId client, ParticipationId id, Ticks start, const PhaseEnds& phases,
             const Terms& terms);

}  // namespace shoal
