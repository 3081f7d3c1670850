#include "sim/settings/settings_tree.hpp"

#define TOML_EXCEPTIONS 1
#define TOML_ENABLE_FORMATTERS 0
#include <toml++/impl/preprocessor.h>
// Some of toml++ 3.3's assertions fail on wrong input (`x = 1:`, a date without its time): they would end the program,
// and with NDEBUG the compiler assumes that they hold. The code after them reports the error properly.
#undef TOML_ASSERT
#undef TOML_ASSERT_ASSUME
#define TOML_ASSERT(expr) static_assert(true)
#define TOML_ASSERT_ASSUME(expr) static_assert(true)
#include <toml++/toml.h>

#include <algorithm>
#include <cctype>
#include <cmath>
#include <sstream>

namespace shoal {
namespace {

constexpr int deepest = 64;  // nesting of tables and lists: the functions that walk the tree recurse

struct Place {
  const std::string& origin;
  std::string path;
  int depth = 0;
};

// The table {name = text}, whose short form is a bare string where a section is expected.
SettingsTable table_of_name(const Settings::Node& parent, std::string path, std::string text, int line, int column) {
  auto table = std::make_shared<Settings::Node>();
  table->origin = parent.origin;
  table->path = std::move(path);
  table->from_string = true;
  table->entries.push_back({"name", {std::move(text)}, line, column});
  return table;
}

SettingsTable convert(const toml::table& from, const Place& place);

SettingsValue convert(const toml::node& from, const Place& place) {
  if (place.depth > deepest) {
    user_error("{}:{}: tables or lists are nested more than {} deep. Flatten them.", place.origin,
               from.source().begin.line, deepest);
  }
  switch (from.type()) {
    case toml::node_type::string:
      return {from.as_string()->get()};
    case toml::node_type::integer:
      return {from.as_integer()->get()};
    case toml::node_type::floating_point:
      return {from.as_floating_point()->get()};
    case toml::node_type::boolean:
      return {from.as_boolean()->get()};
    case toml::node_type::table:
      return {convert(*from.as_table(), place)};
    case toml::node_type::array: {
      SettingsList list;
      for (const auto& item : *from.as_array()) {
        list.push_back(
            convert(item, {place.origin, fmt::format("{} #{}", place.path, list.size() + 1), place.depth + 1}));
      }
      return {std::move(list)};
    }
    default: {
      std::ostringstream text;
      from.visit([&](const auto& value) {
        if constexpr (toml::is_date<decltype(value)> || toml::is_time<decltype(value)> ||
                      toml::is_date_time<decltype(value)>) {
          text << value.get();
        }
      });
      return {SettingsDate{text.str()}};
    }
  }
}

SettingsTable convert(const toml::table& from, const Place& place) {
  auto table = std::make_shared<Settings::Node>();
  table->origin = place.origin;
  table->path = place.path;
  for (const auto& [key, value] : from) {
    const std::string name(key.str());
    const auto position = key.source().begin ? key.source().begin : value.source().begin;
    const int line = position.line, column = position.column;
    table->entries.push_back({name, convert(value, {place.origin, table->below(name), place.depth + 1}), line, column});
  }
  // toml++ sorts by name; users expect the order of the file.
  std::stable_sort(table->entries.begin(), table->entries.end(), [](const auto& a, const auto& b) {
    return std::pair(a.line, a.column) < std::pair(b.line, b.column);
  });
  return table;
}

std::string key_text(std::string_view key) {
  const bool bare = !key.empty() && std::all_of(key.begin(), key.end(), [](unsigned char c) {
    return c < 128 && (std::isalnum(c) || c == '_' || c == '-');
  });
  return bare ? std::string(key) : quoted(key);
}

std::vector<const SettingsEntry*> sorted(const Settings::Node& table) {
  std::vector<const SettingsEntry*> entries;
  for (const auto& entry : table.entries) entries.push_back(&entry);
  std::sort(entries.begin(), entries.end(), [](auto a, auto b) { return a->key < b->key; });
  return entries;
}

// A table with only a name is written as the bare string that means the same, so that both spellings hash alike.
const std::string* only_name(const SettingsValue& value) {
  const auto* table = std::get_if<SettingsTable>(&value.is);
  if (!table || (*table)->entries.size() != 1 || (*table)->entries[0].key != "name") return nullptr;
  return std::get_if<std::string>(&(*table)->entries[0].value.is);
}

void write_table(const Settings::Node& table, const std::string& header, std::string& out) {
  std::vector<const SettingsEntry*> sections;
  for (const auto* entry : sorted(table)) {
    if (std::holds_alternative<SettingsTable>(entry->value.is) && !only_name(entry->value)) {
      sections.push_back(entry);
    } else {
      out += key_text(entry->key) + " = " + inline_text(entry->value) + "\n";
    }
  }
  for (const auto* entry : sections) {
    const std::string name = header + (header.empty() ? "" : ".") + key_text(entry->key);
    out += (out.empty() ? "[" : "\n[") + name + "]\n";
    write_table(*std::get<SettingsTable>(entry->value.is), name, out);
  }
}

}  // namespace

SettingsEntry* Settings::Node::find(std::string_view key) {
  for (auto& entry : entries) {
    if (entry.key == key) return &entry;
  }
  return nullptr;
}

std::string Settings::Node::line_of(const SettingsEntry& entry) const {
  return entry.line > 0 ? fmt::format("{}:{}: ", origin, entry.line) : fmt::format("set {}: ", below(entry.key));
}

std::string Settings::Node::at(const SettingsEntry& entry) const {
  return path.empty() ? line_of(entry) : fmt::format("{}[{}] ", line_of(entry), path);
}

std::string Settings::Node::below(std::string_view key) const {
  return path.empty() ? std::string(key) : fmt::format("{}.{}", path, key);
}

SettingsTable parse_settings(std::string_view toml, const std::string& origin) {
  try {
    return convert(toml::parse(toml), {origin, ""});
  } catch (const toml::parse_error& error) {
    std::string text = as_message(std::string(error.description()));
    std::replace(text.begin(), text.end(), '\n', ' ');
    const auto& begin = error.source().begin;
    user_error("{}:{}:{}: {}. Correct this line; TOML writes key = value, with texts in quotes.", origin, begin.line,
               begin.column, text);
  }
}

std::unique_ptr<SettingsValue> parse_settings_value(std::string_view toml, const std::string& origin,
                                                    const std::string& path) {
  try {
    const toml::table table = toml::parse(fmt::format("value = {}\n", toml));
    const toml::node* value = table.get("value");
    if (table.size() != 1 || !value) return nullptr;  // the text held further keys
    return std::make_unique<SettingsValue>(convert(*value, {origin, path}));
  } catch (const toml::parse_error&) {
    return nullptr;
  }
}

std::string inline_text(const SettingsValue& value) {
  if (const std::string* name = only_name(value)) return quoted(*name);
  if (const auto* text = std::get_if<std::string>(&value.is)) return quoted(*text);
  if (const auto* integer = std::get_if<std::int64_t>(&value.is)) return fmt::format("{}", *integer);
  if (const auto* number = std::get_if<double>(&value.is)) return float_text(*number);
  if (const auto* flag = std::get_if<bool>(&value.is)) return *flag ? "true" : "false";
  if (const auto* date = std::get_if<SettingsDate>(&value.is)) return date->text;
  std::string text;
  if (const auto* list = std::get_if<SettingsList>(&value.is)) {
    for (const auto& item : *list) text += (text.empty() ? "" : ", ") + inline_text(item);
    return "[" + text + "]";
  }
  for (const auto* entry : sorted(*std::get<SettingsTable>(value.is))) {
    text += (text.empty() ? "" : ", ") + key_text(entry->key) + " = " + inline_text(entry->value);
  }
  return "{" + text + "}";
}

SettingsTable as_table(const Settings::Node& parent, SettingsValue& value, const std::string& path,
                       const SettingsEntry& entry) {
  if (const auto* text = std::get_if<std::string>(&value.is)) {
    value.is = table_of_name(parent, path, *text, entry.line, entry.column);
  }
  const auto* table = std::get_if<SettingsTable>(&value.is);
  return table ? *table : nullptr;
}

SettingsTable absent_section(Settings::Node& node, std::string_view key) {
  auto& section = node.absent[std::string(key)];
  if (!section) {
    section = std::make_shared<Settings::Node>();
    section->origin = node.origin;
    section->path = node.below(key);
  }
  return section;
}

SettingsTable copy_table(const Settings::Node& table) {
  const auto copy_value = [](const auto& self, const SettingsValue& value) -> SettingsValue {
    if (const auto* below = std::get_if<SettingsTable>(&value.is)) return {copy_table(**below)};
    if (const auto* list = std::get_if<SettingsList>(&value.is)) {
      SettingsList items;
      for (const auto& item : *list) items.push_back(self(self, item));
      return {std::move(items)};
    }
    return value;
  };
  auto copy = std::make_shared<Settings::Node>();
  copy->origin = table.origin;
  copy->path = table.path;
  copy->from_string = table.from_string;
  for (const auto& entry : table.entries) {
    copy->entries.push_back({entry.key, copy_value(copy_value, entry.value), entry.line, entry.column});
  }
  return copy;
}

std::string describe(const SettingsValue& value) {
  if (const auto* text = std::get_if<std::string>(&value.is)) {
    std::size_t shown = 60;
    if (text->size() <= shown) return "the string " + quoted(*text);
    while (((*text)[shown] & 0xc0) == 0x80) --shown;  // never cut inside a UTF-8 character
    return "the string " + quoted(text->substr(0, shown) + "...");
  }
  if (std::holds_alternative<SettingsTable>(value.is)) return "a table";
  if (const auto* list = std::get_if<SettingsList>(&value.is)) return list->empty() ? "an empty list" : "a list";
  if (const auto* date = std::get_if<SettingsDate>(&value.is)) return "the date " + date->text;
  if (const auto* number = std::get_if<double>(&value.is)) return fmt::format("{}", *number);
  return inline_text(value);
}

std::string quoted(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    const unsigned char byte = c;
    if (c == '"' || c == '\\') {
      out += {'\\', c};
    } else if (c == '\n') {
      out += "\\n";
    } else if (c == '\t') {
      out += "\\t";
    } else if (byte < 0x20 || byte == 0x7f) {
      out += fmt::format("\\u{:04X}", byte);
    } else {
      out += c;
    }
  }
  return out + '"';
}

std::string float_text(double value) {
  if (std::isnan(value)) return "nan";  // the sign of a NaN has no meaning
  std::string text = fmt::format("{}", value);
  if (text.find_first_of(".ein") == std::string::npos) text += ".0";
  return text;
}

std::string canonical_text(const Settings::Node& table) {
  std::string out;
  write_table(table, "", out);
  return out;
}

}  // namespace shoal
