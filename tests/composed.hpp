#pragma once
// Federations in a few lines of TOML.

#include <string>

#include "experiments/experiment.hpp"
#include "sim/error.hpp"
#include "sim/round/federated_process.hpp"

namespace shoal::test {

/// The parts of a federation and how it would be run, without a process around them.
struct Composed {
  Federation federation;
  FederatedSettings settings;

  std::int64_t rounds() const { return settings.schedule.rounds; }
  Split evaluate_on() const { return split_named(settings.schedule.evaluate_on); }
};

inline Composed composed(const Settings& settings) {
  static Datasets datasets;  // read once for all tests of a program
  const std::unique_ptr<Process> process = compose(settings, datasets);
  const auto& federated = dynamic_cast<const FederatedProcess&>(*process);
  return {*federated.federation(), federated.settings()};
}
inline Composed composed(const std::string& toml) { return composed(Settings::parse(toml, "test.toml")); }

inline Federation federation(const std::string& toml) { return composed(toml).federation; }

}  // namespace shoal::test
