#pragma once
// Labels whose task is a study of agents, sorted for comparison: settings, and in each the arms that differ in the
// objective.

#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "experiments/program/summary.hpp"

namespace shoal {

/// One label of a study.
struct Arm {
  const LabelSummary* summary = nullptr;
  std::string name;       ///< what of the label the others of its setting do not share: mostly the objective
  std::size_t style = 0;  ///< the same for the same name everywhere
  std::string task;       ///< rules, machines, talk
  double false_positive = 0, directive = 0;  ///< of the judge and of the users, as configured
  bool learns = true;
  std::string elsewhere;  ///< all settings but objective, false_positive and directive: equal on one map

  /// A named outcome: the mean over replicates and seeds; empty where there is none.
  std::vector<double> outcome(const std::string& name) const;
  /// All its names, in the order of the model.
  std::vector<std::string> outcomes() const;
  /// The metric of every replicate by (seed, replicate): the table `replicates`.
  std::map<std::pair<std::int64_t, std::int64_t>, double> replicates() const;
};

/// Arms under equal settings otherwise.
struct StudySetting {
  std::string title;  ///< what their labels share
  std::vector<Arm> arms;
};

struct Studies {
  std::vector<StudySetting> settings;  ///< in the order in which labels appear first
  std::vector<std::string> names;      ///< of arms, by style
  std::optional<Arm> chance;           ///< an arm that does not learn, nor take notes: what its measures are worth
};

/// Labels of other tasks are left out. Where no two labels differ in the objective alone, those of a task are the arms
/// of one setting. `summaries` must outlive it.
Studies studies_of(std::span<const LabelSummary> summaries);

}  // namespace shoal
