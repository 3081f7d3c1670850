#include "sim/round/ahead.hpp"

#include <algorithm>
#include <set>
#include <tuple>

#include "sim/round/federation.hpp"

namespace shoal {

std::vector<Participation> next_to_finish(const FederationState& state, const RoundPlan& plan, const World& world,
                                          std::size_t most) {
  std::set<ParticipationId> ended(plan.dropouts.begin(), plan.dropouts.end());
  for (const Commit& commit : plan.commits) ended.insert(commit.id);
  std::map<ClientId, int> in_flight;
  for (const auto& [id, p] : state.in_flight) ++in_flight[p.client];
  std::vector<Participation> candidates;
  for (const auto& [id, p] : state.in_flight) {
    const bool waits = world.contributes(p) && !ended.contains(id) && !state.ahead.owner.contains(id);
    if (waits && in_flight[p.client] == 1) candidates.push_back(p);
  }
  std::ranges::sort(candidates, {}, [](const Participation& p) { return std::tuple(p.finish, p.client, p.id); });
  if (candidates.size() > most) candidates.resize(most);
  return candidates;
}

}  // namespace shoal
