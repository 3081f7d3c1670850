#pragma once
// All that an experiment file can say: parts, sections and top-level keys, with the settings that each reads.

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "sim/settings/settings.hpp"

namespace shoal {

/// A part, section or top-level key.
struct Entry {
  std::string kind;     // "strategy" ... of a part; "section", "key"
  std::string section;  // dotted path; empty for keys
  std::string name, about;
  bool is_listed = true;                            // in `shoal list`, where sections of parts are headings already
  std::function<std::vector<Declared>()> declared;  // its settings
};

/// Everything that has a name: parts by kind, then sections, then top-level keys.
std::vector<Entry> vocabulary();

/// Experiments that together read every section: each task at its defaults, and one without a server. They are
/// composed, so that their settings know what was read.
std::vector<Settings> sample_experiments();

/// The settings that a composed experiment has read in one of its sections, which may be a dotted path.
std::vector<Declared> declared_at(const Settings& experiment, std::string_view path);

/// Whether the section at this path is a list of parts: [[stages]].
bool takes_list(std::string_view path);

}  // namespace shoal
