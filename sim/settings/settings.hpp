#pragma once
// Settings of one part: read where they are used, with their default and meaning in the same place.

#include <concepts>
#include <cstdint>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "sim/error.hpp"

namespace shoal {

/// The values that a number may have; the error for any other names them.
struct Bounds {
  double least = -std::numeric_limits<double>::infinity();
  double most = std::numeric_limits<double>::infinity();
  bool least_excluded = false;
};
inline Bounds at_least(double least) { return {.least = least}; }
inline Bounds positive() { return {.least = 0, .least_excluded = true}; }
inline Bounds between(double least, double most) { return {.least = least, .most = most}; }

/// One declared setting, as `shoal explain` prints it.
struct Declared {
  std::string key, type, fallback, meaning;
};

/// A section of an experiment file. Reading a key declares it; a key that is never read is an error (`finish`).
/// Copies share the record of what was read. Every failed read throws UserError with file, section and key.
class Settings {
 public:
  /// An empty section in which every read returns its default; `shoal explain` constructs parts with it.
  Settings();
  /// Parses TOML text; `origin` names it in errors.
  static Settings parse(std::string_view toml, std::string origin);
  /// Reads and parses a file.
  static Settings load(const std::string& path);

  double number(std::string_view key, double fallback, std::string_view meaning, Bounds = {}) const;
  std::int64_t integer(std::string_view key, std::int64_t fallback, std::string_view meaning, Bounds = {}) const;
  bool flag(std::string_view key, bool fallback, std::string_view meaning) const;
  std::string text(std::string_view key, std::string_view fallback, std::string_view meaning) const;
  /// One of `options`; anything else is an error that lists them.
  std::string choice(std::string_view key, std::string_view fallback, const std::vector<std::string>& options,
                     std::string_view meaning) const;
  /// The same for values with names, usually those of an enumeration. `fallback` is one of the values.
  template <class Value>
    requires(!std::convertible_to<Value, std::string_view>)
  Value choice(std::string_view key, Value fallback,
               const std::vector<std::pair<std::string, std::type_identity_t<Value>>>& options,
               std::string_view meaning) const;
  std::vector<double> numbers(std::string_view key, std::vector<double> fallback, std::string_view meaning,
                              Bounds = {}) const;
  std::vector<std::int64_t> integers(std::string_view key, std::vector<std::int64_t> fallback, std::string_view meaning,
                                     Bounds = {}) const;
  std::vector<std::string> texts(std::string_view key, std::vector<std::string> fallback,
                                 std::string_view meaning) const;

  /// The table under `key`, empty where the file has none. A bare string is short for {name = "string"}.
  Settings section(std::string_view key) const;
  /// The tables of an array under `key`; strings are short for {name = ...}; a single table counts as an array of one.
  std::vector<Settings> sections(std::string_view key) const;
  bool has(std::string_view key) const;
  /// Direct keys of this section, in the file's order.
  std::vector<std::string> keys() const;

  /// Sets a dotted key (`strategy.mu`) from TOML text (`0.1`, `"fed_avg"`, `[1, 2]`, or a bare word taken as a string).
  /// A part section given as a string or table replaces the whole section; a dotted key below it changes one entry.
  void set(std::string_view dotted_key, std::string_view toml_value);

  /// One value at the end of a dotted key. `items` are the elements of a list.
  struct Leaf {
    std::string key, toml;  // "planner.dropout", "0.1"
    bool is_list = false;
    std::vector<std::string> items;  // the TOML text of each
  };
  /// All values of this section and the sections below it, in the file's order.
  std::vector<Leaf> leaves() const;
  /// Removes a direct key, if it is there.
  void erase(std::string_view key);

  /// A deep, independent copy with nothing read yet.
  Settings clone() const;
  /// The section as TOML text, keys sorted; equal settings give equal text.
  std::string canonical() const;
  /// Throws UserError naming all keys, here and in the sections below, that were never read, each with the nearest
  /// declared one.
  void finish() const;
  /// Settings read so far from this section, in the order of the first read.
  std::vector<Declared> declared() const;
  /// The place of this section for error messages of parts, like "experiment.toml, [strategy]".
  std::string where() const;

  struct Node;  // the table and the record of reads

 private:
  explicit Settings(std::shared_ptr<Node> node) : node_(std::move(node)) {}
  std::shared_ptr<Node> node_;
};

template <class Value>
  requires(!std::convertible_to<Value, std::string_view>)
Value Settings::choice(std::string_view key, Value fallback,
                       const std::vector<std::pair<std::string, std::type_identity_t<Value>>>& options,
                       std::string_view meaning) const {
  std::vector<std::string> names;
  std::string fallback_name;
  for (const auto& [name, value] : options) {
    names.push_back(name);
    if (value == fallback) fallback_name = name;
  }
  const std::string chosen = choice(key, std::string_view(fallback_name), names, meaning);
  for (const auto& [name, value] : options) {
    if (name == chosen) return value;
  }
  return fallback;
}

}  // namespace shoal
