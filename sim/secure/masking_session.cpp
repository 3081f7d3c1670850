#include "sim/secure/masking_session.hpp"

#include <fmt/core.h>

#include <algorithm>

#include "sim/error.hpp"

namespace shoal {

MaskingSession::MaskingSession(const MaskingTerms& terms, NeighbourGraph graph, bool keeps_own,
                               const std::function<Key256(Party)>& seed_of)
    : terms_(terms), graph_(std::move(graph)), keeps_own_(keeps_own), seed_of_(seed_of), places_(graph_.parties()) {}

MaskingSession::Place& MaskingSession::at(Party party) {
  Place& place = places_[party];
  std::call_once(place.once, [&] {
    place.client.emplace(terms_, party, seed_of_(party));
    place.keys = unpack_keys(pack(place.client->keys()));
  });
  return place;
}

std::vector<Party> MaskingSession::holders(Party party) const {
  std::vector<Party> found = graph_.of(party);
  if (keeps_own_) found.insert(std::ranges::lower_bound(found, party), party);
  return found;
}

std::vector<AdvertisedKeys> MaskingSession::peers(Party party, std::span<const Reached> reached, Reached least) {
  std::vector<AdvertisedKeys> found;
  for (const Party other : graph_.of(party)) {
    if (reached[other] >= least) found.push_back(at(other).keys);
  }
  return found;
}

std::string MaskingSession::failure(std::span<const Reached> reached) const {
  std::int64_t fewest = terms_.threshold, affected = 0;
  for (Party party = 0; party < parties(); ++party) {
    if (reached[party] < Reached::shared) continue;
    const auto at_least = [&](Reached least) { return [=](Party other) { return reached[other] >= least; }; };
    // A client that was lost leaves nothing where no neighbour's words have arrived.
    if (reached[party] == Reached::shared && std::ranges::none_of(graph_.of(party), at_least(Reached::sent))) continue;
    const std::int64_t answers = std::ranges::count_if(holders(party), at_least(Reached::answered));
    if (answers >= terms_.threshold) continue;
    ++affected;
    fewest = std::min(fewest, answers);
  }
  if (affected == 0) return {};
  return fmt::format("the masks of {} of {} clients cannot be removed ({} of {} shares)", affected, parties(), fewest,
                     terms_.threshold);
}

std::vector<Mask> MaskingSession::masks(Party party, std::span<const Reached> reached) {
  const std::vector<AdvertisedKeys> others = peers(party, reached, Reached::shared);
  agreements_ += std::ssize(others);
  return at(party).client->masks(others);
}

std::vector<Mask> MaskingSession::removal(Party party, std::span<const Reached> reached) {
  const bool arrived = reached[party] >= Reached::sent;
  const std::vector<AdvertisedKeys> others =
      arrived ? std::vector<AdvertisedKeys>() : peers(party, reached, Reached::sent);
  if (reached[party] < Reached::shared || (!arrived && others.empty())) return {};
  MaskRemoval left(terms_, at(party).keys, arrived);
  for (const Party holder : holders(party)) {
    if (reached[holder] < Reached::answered) continue;
    const Bytes sealed = at(party).client->shares_for(at(holder).keys);
    left.take(at(holder).client->answer(at(party).keys, sealed, arrived));
    agreements_ += 2;
    if (left.complete()) break;  // the answers of all others cost bytes on the clock, and no work here
  }
  left.rebuild();
  agreements_ += std::ssize(others);
  return left.masks(others);
}

}  // namespace shoal
