#pragma once
// The tree of a parsed experiment file, for the sources in sim/settings only.

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "sim/settings/settings.hpp"

namespace shoal {

struct SettingsValue;
using SettingsTable = std::shared_ptr<Settings::Node>;
using SettingsList = std::vector<SettingsValue>;
/// A date or time, which TOML has but no setting takes; kept as text for the error and for `canonical`.
struct SettingsDate {
  std::string text;
};

struct SettingsValue {
  std::variant<std::string, std::int64_t, double, bool, SettingsDate, SettingsList, SettingsTable> is;
};

struct SettingsEntry {
  std::string key;
  SettingsValue value;
  int line = 0, column = 0;  // line 0: set after parsing
  bool read = false;
};

struct Settings::Node {
  std::string origin;
  std::string path;  // "planner", "stages #2"; empty at the top
  std::vector<SettingsEntry> entries;
  std::vector<Declared> declared;
  std::map<std::string, SettingsTable, std::less<>> absent;  // sections that were read but are not in the file
  bool from_string = false;  // made from a bare string, and can still be read as that text

  SettingsEntry* find(std::string_view key);
  /// "a.toml:12: [planner] ", the beginning of every message about `entry`.
  std::string at(const SettingsEntry& entry) const;
  /// The same without the section.
  std::string line_of(const SettingsEntry& entry) const;
  /// The path of `key` in this table.
  std::string below(std::string_view key) const;
};

/// The table of a TOML document, entries in the file's order. UserError with line and column when it is not TOML.
SettingsTable parse_settings(std::string_view toml, const std::string& origin);
/// One TOML value; tables in it get `path` and `origin`. Null when the text is not one value.
std::unique_ptr<SettingsValue> parse_settings_value(std::string_view toml, const std::string& origin,
                                                    const std::string& path);

/// `value` as a table; a bare string is replaced by {name = "string"} in place. Null when it is neither.
SettingsTable as_table(const Settings::Node& parent, SettingsValue& value, const std::string& path,
                       const SettingsEntry& entry);
/// The empty section for a key that the file does not have; the same one every time.
SettingsTable absent_section(Settings::Node& node, std::string_view key);
SettingsTable copy_table(const Settings::Node& table);

/// The value as an error names it: the string "many", 2.5, a list.
std::string describe(const SettingsValue& value);
/// The value as TOML on one line; tables with sorted keys.
std::string inline_text(const SettingsValue& value);
/// A TOML string in quotes, on one line.
std::string quoted(std::string_view text);
/// The shortest text that reads back as the same double; always a TOML float.
std::string float_text(double value);
std::string canonical_text(const Settings::Node& table);

}  // namespace shoal
