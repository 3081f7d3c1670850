#pragma once
// One masked sum from its first message to its last, with all parties in one program.
//
// Whatever a rank or thread asks for, it gets the same masks: they follow from the seeds of the parties. A pair's keys
// are agreed wherever they are needed.

#include <atomic>
#include <deque>
#include <functional>
#include <string>

#include "sim/secure/masking.hpp"
#include "sim/secure/neighbours.hpp"

namespace shoal {

/// How far each party gets: the sets U1 to U4 of Bonawitz et al., each a part of the one before.
enum class Reached : std::int8_t {
  nothing,
  advertised,  // U1: its keys have arrived
  shared,      // U2: and its shares
  sent,        // U3: and its masked words
  answered,    // U4: and its answers
};

class MaskingSession {
 public:
  /// `seed_of(party)` gives the seed of all its secrets. `keeps_own`: every party holds a share of its own secrets too.
  MaskingSession(const MaskingTerms& terms, NeighbourGraph graph, bool keeps_own,
                 const std::function<Key256(Party)>& seed_of);

  std::int64_t parties() const { return graph_.parties(); }
  const NeighbourGraph& graph() const { return graph_; }
  /// The reason why the sum cannot be opened, or empty.
  std::string failure(std::span<const Reached> reached) const;
  /// The masks that the party, which reaches `sent`, adds to its words. `reached` counts up to `shared`.
  std::vector<Mask> masks(Party party, std::span<const Reached> reached);
  /// The masks that the server adds to remove what is left of the party in the sum. Throws RefusedMessage.
  std::vector<Mask> removal(Party party, std::span<const Reached> reached);
  /// Key agreements that were made for this session in this program.
  std::int64_t agreements() const { return agreements_; }

 private:
  struct Place {
    std::once_flag once;
    std::optional<MaskingClient> client;
    AdvertisedKeys keys;
  };

  Place& at(Party party);
  std::vector<Party> holders(Party party) const;
  std::vector<AdvertisedKeys> peers(Party party, std::span<const Reached> reached, Reached least);

  MaskingTerms terms_;
  NeighbourGraph graph_;
  bool keeps_own_;
  std::function<Key256(Party)> seed_of_;
  std::deque<Place> places_;
  std::atomic<std::int64_t> agreements_{0};
};

}  // namespace shoal
