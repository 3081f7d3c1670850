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
  std::string name;           // the part of the label that the others of its setting do not share: mostly the objective
  std::size_t style = 0;      // the same for the same name everywhere
  std::string task;           // rules, machines, talk
  double false_positive = 0;  // setting of the judge
  double directive = 0;       // setting of the users
  bool learns = true;
  std::string elsewhere;  // all settings but objective, false_positive and directive: equal on one map

  /// A named outcome: the mean over replicates and seeds; empty if there is none.
  std::vector<double> outcome(const std::string& name) const;
  /// The names of all outcomes, in the order of the model.
  std::vector<std::string> outcomes() const;
  /// The metric of every replicate by (seed, replicate): the table `replicates`.
  std::map<std::pair<std::int64_t, std::int64_t>, double> replicates() const;
};

/// Arms that differ in nothing else.
struct StudySetting {
  std::string title;  // the part that their labels share
  std::vector<Arm> arms;
};

struct Studies {
  std::vector<StudySetting> settings;  // in the order in which labels appear first
  std::vector<std::string> names;      // names of arms, by style
  std::optional<Arm> chance;           // an arm that neither learns nor takes notes: the chance level of measures
};

/// Labels of other tasks are left out. If no two labels differ in the objective alone, those of a task are the arms of
/// one setting. `summaries` must outlive it.
Studies studies_of(std::span<const LabelSummary> summaries);

}  // namespace shoal
