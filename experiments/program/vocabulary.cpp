#include "experiments/program/vocabulary.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "experiments/program/part_list.hpp"
#include "experiments/program/run/experiment.hpp"

namespace shoal {
namespace {

// Sections that name no part, or that are read by more than the part they name.
struct Section {
  const char *path, *name, *about;
  const char* experiment = "";  // one that has the section, where the default does not
};
constexpr Section sections[] = {
    {"data", "data", "The examples, and how many of them every client holds out from training."},
    {"local", "local", "How clients train: local SGD, the same for all strategies."},
    {"evaluate", "evaluate", "When and on which examples the server's model is evaluated."},
    {"population", "population",
     "The clients: their devices and when they are available on the virtual clock. It contains devices (a form of "
     "devices: plain, tiers, flash, ...), availability (a form of availability: always, diurnal, trace, ...), regions, "
     "limits, consent and partial."},
    {"population.regions", "regions", "Time zones, and outages that hit all clients of a zone at once."},
    {"population.limits", "limits",
     "Limits that users set on their devices: train only when charging, idle or on an unmetered network, and "
     "only so often."},
    {"population.consent", "consent",
     "The clients that have agreed to take part, in general and in this task, and until when."},
    {"population.partial", "partial",
     "Clients that do only a part of their local work, as in FedProx's experiments. Li et al., MLSys 2020 (arXiv "
     "1812.06127)."},
    {"pipeline", "pipeline",
     "Serving, rollout collection, judging and training of task \"talk\": how fast they are, and how new weights reach "
     "serving.",
     "task = \"talk\""},
};

constexpr const char* without_server = "topology = \"ring\"";

Settings composed(const std::string& toml) {
  Settings root = Settings::parse(toml, "defaults");
  Datasets datasets;
  compose(root, datasets);
  return root;
}

std::vector<Declared> declared_by(const AnyPart& part) {
  if (part.kind == "task") return declared_at(composed(fmt::format("task = \"{}\"", part.name)), "task");
  Settings settings;
  part.make(settings);
  return settings.declared();
}

bool is_described(std::string_view path) {
  return std::ranges::any_of(sections, [&](const Section& section) { return section.path == path; });
}

// The section of a kind of parts. Its own settings are those that are read whatever the part.
Entry section_of(const std::vector<AnyPart>& parts, const AnyPart& first) {
  std::string names;
  std::vector<AnyPart> same;
  for (const AnyPart& part : parts) {
    if (part.kind != first.kind) continue;
    names += fmt::format("{}{}", names.empty() ? "" : ", ", part.name);
    same.push_back(part);
  }
  const std::string path(first.section);
  const std::string what = takes_list(path) ? fmt::format("A list of parts of the kind {}", first.kind)
                                            : fmt::format("Names a {}", first.kind);
  return {.kind = "section",
          .section = path,
          .name = path.substr(path.rfind('.') + 1),
          .about = fmt::format("{}: {}. 'shoal explain NAME' shows the settings of each.", what, names),
          .is_listed = false,
          .declared = [path]() -> std::vector<Declared> {
            for (const Settings& experiment : sample_experiments()) {
              if (auto declared = declared_at(experiment, path); !declared.empty()) return declared;
            }
            return {};
          }};
}

void add_keys(std::vector<Entry>& entries) {
  for (const Declared& key : composed("task = \"quadratic\"").declared()) {
    entries.push_back({.kind = "key", .section = "", .name = key.key, .about = key.meaning + ".", .declared = [key] {
                         return std::vector{key};
                       }});
  }
}

}  // namespace

std::vector<Declared> declared_at(const Settings& experiment, std::string_view path) {
  Settings section = experiment;
  while (!path.empty()) {
    const std::size_t dot = std::min(path.find('.'), path.size());
    section = section.section(path.substr(0, dot));
    path.remove_prefix(std::min(dot + 1, path.size()));
  }
  return section.declared();
}

bool takes_list(std::string_view path) {
  constexpr std::array<std::string_view, 4> lists = {"stages", "codec", "rules", "data.transforms"};
  return std::ranges::find(lists, path) != lists.end();
}

std::vector<Settings> sample_experiments() {
  std::vector<Settings> all{composed(""), composed(without_server)};
  for (const AnyPart& part : all_parts()) {
    if (part.kind == "task") all.push_back(composed(fmt::format("task = \"{}\"", part.name)));
  }
  return all;
}

std::vector<Entry> vocabulary() {
  std::vector<Entry> entries;
  const std::vector<AnyPart> parts = all_parts();
  for (const AnyPart& part : parts) {
    entries.push_back({.kind = std::string(part.kind),
                       .section = std::string(part.section),
                       .name = std::string(part.name),
                       .about = std::string(part.about),
                       .declared = [part] { return declared_by(part); }});
  }
  for (const Section& section : sections) {
    entries.push_back({.kind = "section",
                       .section = section.path,
                       .name = section.name,
                       .about = section.about,
                       .declared = [section] { return declared_at(composed(section.experiment), section.path); }});
  }
  std::string_view kind;
  for (const AnyPart& part : parts) {
    if (part.kind != kind && !is_described(part.section)) entries.push_back(section_of(parts, part));
    kind = part.kind;
  }
  entries.push_back({.kind = "section",
                     .section = "grid",
                     .name = "grid",
                     .about = "Lists of values for any keys; every combination is a cell, and the first key varies "
                              "slowest. 'variants' change several keys at once, each with an optional 'label'.",
                     .declared = [] { return std::vector<Declared>(); }});
  add_keys(entries);
  return entries;
}

}  // namespace shoal
