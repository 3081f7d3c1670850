#include "sim/round/probe.hpp"

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
    results[2 * mine[i] + 1] = seen.loss;
  });
  comm.sum(results);
  std::vector<Probe> probes;
  for (std::size_t i = 0; i < clients.size(); ++i) {
    const Evaluation seen{.examples = results[2 * i], .loss = results[2 * i + 1]};
    probes.push_back({clients[i], seen.examples == 0 ? 0 : seen.mean_loss()});
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
