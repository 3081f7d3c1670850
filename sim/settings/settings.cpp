#include "sim/settings/settings.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>

#include "sim/files/read_file.hpp"
#include "sim/settings/declared_type.hpp"
#include "sim/settings/settings_tree.hpp"

namespace shoal {
namespace {

using Node = Settings::Node;

void declare(Node& node, std::string_view key, std::string type, std::string fallback, std::string_view meaning) {
  for (const auto& known : node.declared) {
    if (known.key == key) return;
  }
  node.declared.push_back({std::string(key), std::move(type), std::move(fallback), std::string(meaning)});
}

// Declares the key and marks its entry in the file as read; returns the entry, or null where the file has none.
const SettingsEntry* read(Node& node, std::string_view key, std::string type, std::string fallback,
                          std::string_view meaning) {
  declare(node, key, std::move(type), std::move(fallback), meaning);
  SettingsEntry* entry = node.find(key);
  if (entry) entry->read = true;
  return entry;
}

// Returns `value` or throws; `what` is the key, or the key and the position in its list.
template <class Number>
Number within(Number value, const Bounds& bounds, const std::string& what) {
  const double number = value;
  const bool low = bounds.least_excluded ? number <= bounds.least : number < bounds.least;
  if (low) user_error("{} must be {} (found {}). Raise it.", what, bounds_text(bounds), value);
  if (number > bounds.most) user_error("{} must be {} (found {}). Lower it.", what, bounds_text(bounds), value);
  return value;
}

double to_number(const SettingsValue& value, const Bounds& bounds, const std::string& what) {
  if (const auto* integer = std::get_if<std::int64_t>(&value.is)) {
    within(*integer, bounds, what);  // as an integer, so that the message shows it as the file does
    return *integer;
  }
  const auto* number = std::get_if<double>(&value.is);
  if (!number) user_error("{} must be a number (found {}). Write it like 0.5.", what, describe(value));
  if (!std::isfinite(*number)) user_error("{} must be a finite number (found {}). Write it like 0.5.", what, *number);
  return within(*number, bounds, what);
}

std::int64_t to_integer(const SettingsValue& value, const Bounds& bounds, const std::string& what) {
  if (const auto* integer = std::get_if<std::int64_t>(&value.is)) return within(*integer, bounds, what);
  if (const auto* number = std::get_if<double>(&value.is); number && std::fabs(*number) < 9e15) {
    const std::int64_t whole = *number;
    if (whole == *number) {
      user_error("{} must be an integer (found {}). Write {}.", what, float_text(*number), whole);
    }
  }
  user_error("{} must be an integer (found {}). Write it like 10.", what, describe(value));
}

// Calls `read_item(value, bounds, what)` for every item of the list under `entry`.
template <class Number, class ReadItem>
std::vector<Number> to_list(const SettingsEntry& entry, const std::string& at, const char* kind, const Bounds& bounds,
                            const ReadItem& read_item) {
  const auto* list = std::get_if<SettingsList>(&entry.value.is);
  if (!list) {
    const bool number =
        std::holds_alternative<std::int64_t>(entry.value.is) || std::holds_alternative<double>(entry.value.is);
    const std::string found = describe(entry.value);
    user_error("{}'{}' must be a {} (found {}). Write {}.", at, entry.key, kind, found,
               number ? fmt::format("[{}]", found) : "it like [1, 2]");
  }
  std::vector<Number> numbers;
  for (const auto& item : *list) {
    numbers.push_back(read_item(item, bounds, fmt::format("{}item {} of '{}'", at, numbers.size() + 1, entry.key)));
  }
  return numbers;
}

// Reads a file unless its size or its bytes show that it is not an experiment file.
std::string read_text(const std::string& path) {
  constexpr std::int64_t most = 16 << 20;
  std::string text = read_file(path, most);
  if (text.find('\0') != std::string::npos) {
    user_error("'{}' holds binary data (expected text). Give an experiment file (TOML).", path);
  }
  return text;
}

}  // namespace

Settings::Settings() : node_(std::make_shared<Node>()) { node_->origin = "defaults"; }

Settings Settings::parse(std::string_view toml, std::string origin) { return Settings(parse_settings(toml, origin)); }

Settings Settings::load(const std::string& path) { return parse(read_text(path), path); }

double Settings::number(std::string_view key, double fallback, std::string_view meaning, Bounds bounds) const {
  const auto* entry = read(*node_, key, type_text({"number", bounds}), fmt::format("{}", fallback), meaning);
  return entry ? to_number(entry->value, bounds, fmt::format("{}'{}'", node_->at(*entry), key)) : fallback;
}

std::int64_t Settings::integer(std::string_view key, std::int64_t fallback, std::string_view meaning,
                               Bounds bounds) const {
  const auto* entry = read(*node_, key, type_text({"integer", bounds}), fmt::format("{}", fallback), meaning);
  return entry ? to_integer(entry->value, bounds, fmt::format("{}'{}'", node_->at(*entry), key)) : fallback;
}

bool Settings::flag(std::string_view key, bool fallback, std::string_view meaning) const {
  const auto* entry = read(*node_, key, "flag", fallback ? "true" : "false", meaning);
  if (!entry) return fallback;
  const auto* value = std::get_if<bool>(&entry->value.is);
  if (!value) {
    user_error("{}'{}' must be true or false (found {}). Write one of them, without quotes.", node_->at(*entry), key,
               describe(entry->value));
  }
  return *value;
}

std::string Settings::text(std::string_view key, std::string_view fallback, std::string_view meaning) const {
  const auto* entry = read(*node_, key, "text", quoted(fallback), meaning);
  if (!entry) return std::string(fallback);
  if (const auto* value = std::get_if<std::string>(&entry->value.is)) return *value;
  const auto* table = std::get_if<SettingsTable>(&entry->value.is);
  if (table && (*table)->from_string) return std::get<std::string>((*table)->entries[0].value.is);
  user_error("{}'{}' must be a string (found {}). Write it like \"text\".", node_->at(*entry), key,
             describe(entry->value));
}

std::string Settings::choice(std::string_view key, std::string_view fallback, const std::vector<std::string>& options,
                             std::string_view meaning) const {
  const std::string listed = fmt::format("{}", fmt::join(options, ", "));
  const auto* entry = read(*node_, key, type_text({.kind = "choice", .options = options}), quoted(fallback), meaning);
  if (!entry) return std::string(fallback);
  const std::string value = text(key, fallback, meaning);
  if (std::find(options.begin(), options.end(), value) != options.end()) return value;
  const std::string near = nearest(value, options);
  user_error("{}'{}' must be one of {} (found {}){}", node_->at(*entry), key, listed, describe(entry->value),
             near.empty() ? "" : fmt::format(". The nearest is '{}'.", near));
}

std::vector<double> Settings::numbers(std::string_view key, std::vector<double> fallback, std::string_view meaning,
                                      Bounds bounds) const {
  constexpr auto kind = "list of numbers";
  const auto* entry =
      read(*node_, key, type_text({kind, bounds}), fmt::format("[{}]", fmt::join(fallback, ", ")), meaning);
  return entry ? to_list<double>(*entry, node_->at(*entry), kind, bounds, to_number) : fallback;
}

std::vector<std::int64_t> Settings::integers(std::string_view key, std::vector<std::int64_t> fallback,
                                             std::string_view meaning, Bounds bounds) const {
  constexpr auto kind = "list of integers";
  const auto* entry =
      read(*node_, key, type_text({kind, bounds}), fmt::format("[{}]", fmt::join(fallback, ", ")), meaning);
  return entry ? to_list<std::int64_t>(*entry, node_->at(*entry), kind, bounds, to_integer) : fallback;
}

std::vector<std::string> Settings::texts(std::string_view key, std::vector<std::string> fallback,
                                         std::string_view meaning) const {
  std::vector<std::string> in_quotes;
  for (const std::string& text : fallback) in_quotes.push_back(quoted(text));
  const auto* entry = read(*node_, key, "list of texts", fmt::format("[{}]", fmt::join(in_quotes, ", ")), meaning);
  if (!entry) return fallback;
  const auto* list = std::get_if<SettingsList>(&entry->value.is);
  if (!list) {
    user_error("{}'{}' must be a list of strings (found {}). Write it like [\"text\"].", node_->at(*entry), key,
               describe(entry->value));
  }
  std::vector<std::string> texts;
  for (const SettingsValue& item : *list) {
    const auto* text = std::get_if<std::string>(&item.is);
    if (!text) {
      user_error("{}item {} of '{}' must be a string (found {}). Write it in quotes.", node_->at(*entry),
                 texts.size() + 1, key, describe(item));
    }
    texts.push_back(*text);
  }
  return texts;
}

Settings Settings::section(std::string_view key) const {
  SettingsEntry* entry = node_->find(key);
  if (!entry) return Settings(absent_section(*node_, key));
  entry->read = true;
  const SettingsTable table = as_table(*node_, entry->value, node_->below(key), *entry);
  if (!table) {
    user_error("{}'{}' must be a table or a name (found {}). Write it like {{name = \"...\"}}.", node_->at(*entry), key,
               describe(entry->value));
  }
  return Settings(table);
}

std::vector<Settings> Settings::sections(std::string_view key) const {
  SettingsEntry* entry = node_->find(key);
  if (!entry) {
    absent_section(*node_, key);  // counts as known, for the suggestions of `finish`
    return {};
  }
  auto* list = std::get_if<SettingsList>(&entry->value.is);
  if (!list) return {section(key)};
  entry->read = true;
  std::vector<Settings> all;
  for (auto& item : *list) {
    const std::string path = fmt::format("{} #{}", node_->below(key), all.size() + 1);
    const SettingsTable table = as_table(*node_, item, path, *entry);
    if (!table) {
      user_error("{}item {} of '{}' must be a table or a name (found {}). Write it like {{name = \"...\"}}.",
                 node_->at(*entry), all.size() + 1, key, describe(item));
    }
    all.push_back(Settings(table));
  }
  return all;
}

bool Settings::has(std::string_view key) const { return node_->find(key) != nullptr; }

std::vector<std::string> Settings::keys() const {
  std::vector<std::string> keys;
  for (const auto& entry : node_->entries) keys.push_back(entry.key);
  return keys;
}

Settings Settings::clone() const { return Settings(copy_table(*node_)); }

std::string Settings::canonical() const { return canonical_text(*node_); }

std::vector<Declared> Settings::declared() const { return node_->declared; }

std::string Settings::where() const {
  return node_->path.empty() ? node_->origin : fmt::format("{}, [{}]", node_->origin, node_->path);
}

}  // namespace shoal
