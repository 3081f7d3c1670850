#include "experiments/explain.hpp"

#include <functional>
#include <vector>

#include "experiments/experiment.hpp"
#include "sim/agents/agents_task.hpp"
#include "sim/agents/machine_study.hpp"
#include "sim/agents/rule_study.hpp"
#include "sim/agents/study_task.hpp"
#include "sim/agents/talk_study.hpp"
#include "sim/task/model.hpp"
#include "sim/task/quadratic.hpp"
#include "sim/task/supervised.hpp"

namespace shoal {
namespace {

// Something that can be named on the command line: what it is for, and how to make it read its settings.
struct Entry {
  std::string kind, section, name, about;
  std::function<void(Settings&)> read;
};

template <class Contract>
void add_parts(std::vector<Entry>& entries, const char* kind, const char* section) {
  for (const Part<Contract>& part : parts<Contract>()) {
    entries.push_back({kind, section, std::string(part.name), std::string(part.about),
                       [make = part.make](Settings& settings) { make(settings); }});
  }
}

template <class Contract>
std::unique_ptr<Contract> part(const char* name) {
  Settings nothing;
  return find_part<Contract>("part", name).make(nothing);
}

std::unique_ptr<TalkStudy> talk_study(const Settings& task, const Settings& pipeline) {
  return std::make_unique<TalkStudy>(task, pipeline, part<Policy>("linear"), part<Objective>("binary_rl"),
                                     part<Judge>("confusion"));
}

std::vector<Entry> all_entries() {
  std::vector<Entry> entries;
  add_parts<Strategy>(entries, "strategy", "strategy");
  add_parts<Planner>(entries, "planner", "planner");
  add_parts<Aggregator>(entries, "aggregator", "aggregator");
  add_parts<Stage>(entries, "stage", "stages");
  add_parts<Codec>(entries, "codec", "codec");
  entries.push_back({"task", "task", "supervised", "A model on a data set that is dealt to clients.",
                     [](Settings& data) { HoldoutShares{data}; }});
  entries.push_back({"task", "task", "quadratic",
                     "Clients with quadratic objectives: everything can be computed by hand.",
                     [](Settings& settings) { Quadratic(settings, 1); }});
  entries.push_back(
      {"task", "task", "rule_world",
       "Three users with hidden rules talk to a policy that learns from them; each client is one "
       "independent replicate.",
       [](Settings& settings) {
         StudyTask(settings,
                   std::make_unique<RuleStudy>(settings, part<Objective>("binary_rl"), part<Judge>("confusion")), 1);
       }});
  entries.push_back({"task", "task", "machine",
                     "An agent learns to operate a machine, rewarded for outcomes or for steps too; each client is one "
                     "independent replicate.",
                     [](Settings& settings) {
                       StudyTask(settings,
                                 std::make_unique<MachineStudy>(settings, part<Environment>("terminal"),
                                                                part<Objective>("grpo"), part<Judge>("confusion")),
                                 1);
                     }});
  entries.push_back(
      {"task", "task", "talk",
       "Users talk to an agent that learns while it serves them, on the virtual clock; each client is one "
       "independent replicate. Its components stand in [pipeline].",
       [](Settings& settings) { StudyTask(settings, talk_study(settings, Settings()), 1); }});
  entries.push_back({"section", "pipeline", "pipeline",
                     "Serving, rollout collection, judging and training of task \"talk\": how fast they are, and how "
                     "new weights reach serving.",
                     [](Settings& settings) { talk_study(Settings(), settings); }});
  entries.push_back({"task", "task", "agents",
                     "Users of an agent, each a client: the policy learns from what comes back to its replies, under "
                     "any strategy.",
                     [](Settings& settings) {
                       AgentsTask(settings, part<Policy>("linear"), part<Objective>("binary_rl"),
                                  part<Judge>("confusion"), 1);
                     }});
  add_parts<Environment>(entries, "environment", "environment");
  add_parts<Policy>(entries, "policy", "policy");
  add_parts<Objective>(entries, "objective", "objective");
  add_parts<Judge>(entries, "judge", "judge");
  add_parts<Model>(entries, "model", "model");
  add_parts<Source>(entries, "data source", "data");
  add_parts<Partition>(entries, "partition", "partition");
  entries.push_back({"section", "local", "local", "How clients train: local SGD, the same for all strategies.",
                     [](Settings& settings) { LocalTraining{settings}; }});
  add_parts<Devices>(entries, "form of devices", "population.devices");
  add_parts<Availability>(entries, "form of availability", "population.availability");
  entries.push_back(
      {"section", "population", "population",
       "Who the clients are: their devices and when they are there, for the virtual clock. Below it stand "
       "devices (a form of devices: plain, tiers, flash, ...), availability (a form of availability: "
       "always, diurnal, trace, ...), regions, limits, consent and partial.",
       [](Settings& settings) { Population(settings, 1, 1); }});
  entries.push_back({"section", "population.regions", "regions",
                     "Zones of local time, and outages that hit all clients of a zone at once.",
                     [](Settings& settings) { Regions{settings, 1}; }});
  entries.push_back(
      {"section", "population.limits", "limits",
       "What users let their devices do: train only when charging, idle, on an unmetered network, at most "
       "so often.",
       [](Settings& settings) { Limits{settings, 1}; }});
  entries.push_back({"section", "population.consent", "consent",
                     "Who has agreed to take part, in general and in this task, and until when.",
                     [](Settings& settings) { Consent{settings, 1}; }});
  entries.push_back({"section", "population.partial", "partial",
                     "Clients that do only a part of their local work, as in FedProx's experiments. Li et al., MLSys "
                     "2020 (arXiv 1812.06127).",
                     [](Settings& settings) { PartialWork{settings}; }});
  return entries;
}

std::string first_sentence(std::string text) {
  for (char& c : text) c = c == '\n' ? ' ' : c;
  const std::size_t end = text.find(". ");
  return end == std::string::npos ? text : text.substr(0, end + 1);
}

}  // namespace

std::string list_parts() {
  std::string text, kind;
  for (const Entry& entry : all_entries()) {
    if (entry.kind != kind) text += fmt::format("{}{}   [{}]\n", text.empty() ? "" : "\n", entry.kind, entry.section);
    kind = entry.kind;
    text += fmt::format("  {:<20} {}\n", entry.name, first_sentence(entry.about));
  }
  return text + "\nshoal explain NAME tells a part's source and settings.\n";
}

std::string explain(const std::string& name) {
  std::vector<std::string> names;
  std::string text;
  for (const Entry& entry : all_entries()) {
    names.push_back(entry.name);
    if (entry.name != name) continue;
    if (!text.empty()) text += '\n';
    text += fmt::format("{} ({})\n\n{}\n", entry.name, entry.kind, entry.about);
    Settings settings;
    entry.read(settings);
    const bool named = entry.kind != "section";
    text += fmt::format("\n[{}]\n", entry.section);
    if (named) text += fmt::format("  {:<18} = {:<12}\n", "name", fmt::format("\"{}\"", entry.name));
    for (const Declared& setting : settings.declared()) {
      text +=
          fmt::format("  {:<18} = {:<12} # {} ({})\n", setting.key, setting.fallback, setting.meaning, setting.type);
    }
  }
  if (!text.empty()) return text;
  const std::string near = nearest(name, names);
  user_error("there is no part called '{}'. {}", name,
             near.empty() ? "See 'shoal list'?" : fmt::format("Did you mean '{}'?", near));
}

}  // namespace shoal
