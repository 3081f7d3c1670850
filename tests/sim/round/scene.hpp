#pragma once
// A world with a population, without a run.

#include <map>
#include <memory>
#include <string>

#include "experiments/tasks/shared/population.hpp"
#include "sim/round/world.hpp"
#include "tests/sim/task/unequal_task.hpp"

namespace shoal::test {

/// Clients of a population before round 1, none of them in flight.
struct Scene {
  std::shared_ptr<const UnequalTask> task;
  Population population;
  std::map<ParticipationId, Participation> in_flight{};

  Scene(std::shared_ptr<const UnequalTask> clients, const std::string& toml)
      : task(std::move(clients)), population(make_population(Settings::parse(toml, "test.toml"), 1, task->clients())) {}

  World world(Ticks now, std::int64_t bytes_down, std::int64_t bytes_up) const {
    return {.task = *task,
            .population = population,
            .now = now,
            .message_bytes = bytes_down,
            .bytes_up = bytes_up,
            .in_flight = in_flight};
  }
};

}  // namespace shoal::test
