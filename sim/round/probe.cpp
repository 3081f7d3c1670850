#include "sim/round/probe.hpp"

#include <bit>
#include <cmath>
#include <limits>
#include <set>

#include "sim/round/placement.hpp"

namespace shoal {

std::vector<Probe> probe_losses(const std::vector<ClientId>& clients, const Federation& federation,
                                FederationState& state, Communicator& comm, Trainers& trainers) {
  if (clients.empty()) return {};
  std::vector<double> costs;
  costs.reserve(clients.size());
  for (const ClientId client : clients) costs.push_back(federation.task->work(client).examples);
  const std::vector<int> owners = place(costs, comm.size());
  std::vector<std::size_t> mine;
  for (std::size_t i = 0; i < owners.size(); ++i) {
    if (owners[i] == comm.rank()) mine.push_back(i);
  }
  std::vector<at::Tensor> params;  // those that each client of `mine` downloads
  for (const std::size_t i : mine) {
    const std::int32_t group =
        federation.strategy->group_of(state.strategy(), clients[i], federation.task->variant(clients[i]));
    params.push_back(newest_message(federation, state, group).params());
  }
  std::vector<std::int64_t> results(2 * clients.size(), 0);
  trainers.for_each(mine.size(), [&](int, std::size_t i, Trainer& trainer) {
    const Evaluation seen = trainer.evaluate_own(params[i], clients[mine[i]], "train");
    results[2 * mine[i]] = seen.examples;
    results[2 * mine[i] + 1] = std::bit_cast<std::int64_t>(seen.mean_loss());
  });
  comm.sum(results);
  std::vector<Probe> probes;
  for (std::size_t i = 0; i < clients.size(); ++i) {
    const auto loss = std::bit_cast<double>(results[2 * i + 1]);
    // A loss that is not a number cannot be ranked. A model that has one is as bad as can be.
    const double ranked = std::isnan(loss) ? std::numeric_limits<double>::infinity() : loss;
    probes.push_back({clients[i], results[2 * i] == 0 ? 0 : ranked});
  }
  return probes;
}

std::int64_t downloaded_bytes(const World& world, std::span<const Participation> starts) {
  std::int64_t bytes = 0;
  std::set<ClientId> started;
  for (const Participation& p : starts) {
    bytes += world.bytes_down(p.client);
    if (!world.probes.empty()) started.insert(p.client);
  }
  for (const Probe& probe : world.probes) {
    if (!started.contains(probe.client)) bytes += world.bytes_down(probe.client);
  }
  return bytes;
}

}  // namespace shoal
