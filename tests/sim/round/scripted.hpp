#pragma once
// Parts that follow a test's script, so that the engine's results can be computed by hand.

#include <ATen/ops/empty.h>
#include <ATen/ops/full.h>

#include <functional>
#include <memory>

#include "experiments/tasks/shared/population.hpp"
#include "sim/round/federation.hpp"
#include "tests/sim/task/unequal_task.hpp"

namespace shoal::test {

/// Every client returns `value(participation, channel)` in each coordinate, whatever its training gave. Channel 0 is
/// added to the parameters; means and total weights are kept in the state.
class Scripted final : public Strategy {
 public:
  std::function<double(const Participation&, std::size_t)> value = [](const Participation&, std::size_t) {
    return 1.0;
  };
  std::function<double(const Participation&)> weight{};
  std::vector<Channel> declared = {{.name = "value", .weighting = Weighting::uniform}};

  std::vector<Channel> channels(const ParameterLayout& layout) const override {
    std::vector<Channel> all = declared;
    for (Channel& channel : all) channel.size = layout.size;
    return all;
  }
  UpdateBlock client_update(const Message& server, ClientBlock& clients) const override {
    clients.train(server.params());
    UpdateBlock update;
    for (std::size_t c = 0; c < declared.size(); ++c) {
      at::Tensor rows = at::empty({clients.count(), server.params().numel()}, server.params().options());
      for (std::int64_t k = 0; k < clients.count(); ++k) {
        rows[k].fill_(value(clients.participations()[k], c));
      }
      update.channels.emplace_back(rows);
    }
    for (const Participation& p : clients.participations()) {
      if (weight) update.weight.push_back(weight(p));
    }
    return update;
  }
  void server_update(State& state, std::span<const Aggregate> groups, const ServerContext&) const override {
    state.params().add_(groups[0].mean());
    for (std::size_t c = 0; c < declared.size(); ++c) {
      state.put(fmt::format("mean {}", c), groups[0].mean(c).clone());
      state.put(fmt::format("weight {}", c), at::full({1}, groups[0].weights[c], at::TensorOptions(at::kDouble)));
    }
    state.integer("clients") = groups[0].clients;
  }
};

/// A planner that calls a test's function.
class Planned final : public Planner {
 public:
  using Plan = std::function<RoundPlan(State&, World&)>;
  explicit Planned(Plan plan) : plan_(std::move(plan)) {}
  RoundPlan next(State& state, World& world) const override { return plan_(state, world); }

 private:
  Plan plan_;
};

/// Starts `client` now, from the newest version.
inline Participation start(std::int64_t client, State& state, const World& world) {
  return {.id = ParticipationId{state.integer("starts")++},
          .client = ClientId{client},
          .version = world.version,
          .round = world.round,
          .start = world.now,
          .finish = world.now + Ticks{1}};
}

/// Every client takes part in every round, with weights 1 unless `weights` lists others.
inline Planned::Plan all_clients(std::vector<double> weights = {}) {
  return [weights](State& state, const World& world) {
    RoundPlan plan{.time = world.now + Ticks{1}};
    for (std::int64_t c = 0; c < world.task.clients(); ++c) {
      plan.starts.push_back(start(c, state, world));
      plan.commits.push_back({plan.starts.back().id, weights.empty() ? 1 : weights.at(c)});
    }
    return plan;
  };
}

template <class Contract>
std::shared_ptr<const Contract> part(const char* kind, const std::string& name, const std::string& toml = "") {
  Settings settings = Settings::parse(toml, "test.toml");
  auto made = find_part<Contract>(kind, name).make(settings);
  settings.finish();
  return made;
}

/// A federation of the given parts with the plain codec and the exact sum.
inline Federation scripted(std::shared_ptr<const Task> task, std::shared_ptr<const Strategy> strategy,
                           Planned::Plan plan = all_clients(), std::int64_t block = 1) {
  Federation parts;
  parts.population = std::make_shared<Population>(make_population(Settings(), 1, task->clients()));
  parts.task = std::move(task);
  parts.local = std::make_shared<LocalTraining>(Settings::parse(fmt::format("block = {}", block), "test.toml"));
  parts.strategy = std::move(strategy);
  parts.codecs = {part<Codec>("codec", "plain")};
  parts.aggregator = part<Aggregator>("aggregator", "exact_sum");
  parts.planner = std::make_shared<Planned>(std::move(plan));
  return parts;
}

}  // namespace shoal::test
