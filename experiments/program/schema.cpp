// The schema of experiment files.
#include "experiments/program/schema.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>

#include "experiments/program/part_list.hpp"
#include "experiments/program/vocabulary.hpp"
#include "sim/settings/declared_type.hpp"

namespace shoal {
namespace {

// A section: what is read from it whatever part it names, the parts that it can name, and the sections in it.
struct Section {
  std::string about;
  Json keys = Json::object();                         // key: schema
  std::vector<std::pair<std::string, Json>> parts{};  // name, its keys
  std::map<std::string, Section> sections{};
};

Json number_schema(const char* type, const Bounds& bounds) {
  Json schema{{"type", type}};
  if (std::isfinite(bounds.least)) schema[bounds.least_excluded ? "exclusiveMinimum" : "minimum"] = bounds.least;
  if (std::isfinite(bounds.most)) schema["maximum"] = bounds.most;
  return schema;
}

Json type_schema(const DeclaredType& type) {
  if (type.kind == "number" || type.kind == "integer") return number_schema(type.kind.c_str(), type.bounds);
  if (type.kind == "flag") return {{"type", "boolean"}};
  if (type.kind == "text") return {{"type", "string"}};
  if (type.kind == "choice") return {{"type", "string"}, {"enum", type.options}};
  const Json items = type.kind == "list of texts"
                         ? Json{{"type", "string"}}
                         : number_schema(type.kind == "list of integers" ? "integer" : "number", type.bounds);
  return {{"type", "array"}, {"items", items}};
}

Json setting_schema(const Declared& setting) {
  Json schema = type_schema(declared_type(setting.type));
  schema["description"] = setting.meaning;
  if (Json fallback = json_of_toml(setting.fallback); !fallback.is_null()) schema["default"] = std::move(fallback);
  return schema;
}

void add_setting(Json& keys, const Declared& setting) {
  if (!keys.contains(setting.key)) keys[setting.key] = setting_schema(setting);
}

Section& section_at(Section& root, std::string_view path) {
  Section* section = &root;
  while (!path.empty()) {
    const std::size_t dot = std::min(path.find('.'), path.size());
    section = &section->sections[std::string(path.substr(0, dot))];
    path.remove_prefix(std::min(dot + 1, path.size()));
  }
  return *section;
}

// An experiment's settings of a section, without those of its default part, are read whatever the part.
void add_shared_keys(Section& section, const std::string& path, const std::vector<Settings>& experiments) {
  for (const Settings& experiment : experiments) {
    const std::vector<Declared> read = declared_at(experiment, path);
    const auto name = std::ranges::find(read, "name", &Declared::key);
    const Json* of_part = nullptr;
    for (const auto& [part, keys] : section.parts) {
      if (name != read.end() && json_of_toml(name->fallback) == part) of_part = &keys;
    }
    for (const Declared& setting : read) {
      if (setting.key == "name" && !section.parts.empty()) continue;
      if (of_part && of_part->contains(setting.key)) continue;
      add_setting(section.keys, setting);
    }
  }
}

Section read_sections() {
  Section root;
  std::vector<std::string> paths{""};
  const std::vector<Entry> entries = vocabulary();
  for (const Entry& entry : entries) {
    if (entry.kind == "key" || entry.section == "grid") continue;
    if (std::ranges::find(paths, entry.section) == paths.end()) paths.push_back(entry.section);
    Section& section = section_at(root, entry.section);
    if (entry.kind == "section") {
      section.about = entry.about;
      continue;
    }
    Json keys = Json::object();
    for (const Declared& setting : entry.declared()) {
      if (setting.key != "name") add_setting(keys, setting);
    }
    section.parts.emplace_back(entry.name, std::move(keys));
  }
  const std::vector<Settings> experiments = sample_experiments();
  for (const std::string& path : paths) add_shared_keys(section_at(root, path), path, experiments);
  return root;
}

Json object_schema(Json properties) {
  return {{"type", "object"}, {"properties", std::move(properties)}, {"additionalProperties", false}};
}

Json section_schema(const Section& section, const std::string& path);

// The properties that a section has beside those of its part.
Json shared_properties(const Section& section, const std::string& path) {
  Json properties = section.keys;
  for (const auto& [name, below] : section.sections) {
    properties[name] = section_schema(below, path.empty() ? name : fmt::format("{}.{}", path, name));
  }
  return properties;
}

Json section_schema(const Section& section, const std::string& path) {
  const Json shared = shared_properties(section, path);
  if (section.parts.empty()) {
    Json schema = object_schema(shared);
    if (!section.about.empty()) schema["description"] = section.about;
    return schema;
  }
  Json names = Json::array(), choices = Json::array();
  Json all = shared;  // without a name the part is the default's, or that of [grid]: any part's settings may be meant
  for (const auto& [name, keys] : section.parts) {
    names.push_back(name);
    Json properties{{"name", {{"const", name}}}};
    properties.update(keys);
    properties.update(shared);
    for (const auto& [key, schema] : keys.items()) {
      if (!all.contains(key)) all[key] = {{"description", schema.value("description", "")}};
    }
    Json choice = object_schema(std::move(properties));
    choice["required"] = Json::array({"name"});
    choices.push_back(std::move(choice));
  }
  Json nameless = object_schema(std::move(all));
  nameless["properties"]["name"] = false;
  choices.insert(choices.begin(), Json{{"type", "string"}, {"enum", names}});
  choices.push_back(std::move(nameless));
  if (!takes_list(path)) return {{"description", section.about}, {"anyOf", choices}};
  const Json list{{"type", "array"}, {"items", {{"anyOf", choices}}}};
  choices.push_back(list);
  return {{"description", section.about}, {"anyOf", choices}};
}

// Every key may be a list of what it takes; a dotted key, or the keys below a section, are left to the program.
Json grid_schema(const Json& properties) {
  Json lists = Json::object(),
       changes{{"label", {{"type", "string"}, {"description", "name of the variant in tables"}}}};
  for (const auto& [key, schema] : properties.items()) {
    const Json value{{"$ref", "#/$defs/" + key}};
    lists[key] = {{"anyOf", {Json{{"type", "array"}, {"minItems", 1}, {"items", value}}, Json{{"type", "object"}}}}};
    changes[key] = {{"anyOf", {value, Json{{"type", "object"}}}}};
  }
  const Json dotted{{"^[a-z_]+\\.[a-z_.]+$", Json::object()}};
  Json variant = object_schema(changes);
  variant["patternProperties"] = dotted;
  lists["variants"] = {{"type", "array"},
                       {"minItems", 1},
                       {"items", variant},
                       {"description", "tables that change several keys at once"}};
  Json grid = object_schema(lists);
  grid["patternProperties"] = {{"^[a-z_]+\\.[a-z_.]+$", {{"type", "array"}, {"minItems", 1}}}};
  grid["description"] = "Lists of values for any keys; every combination is a cell.";
  return grid;
}

}  // namespace

Json experiment_schema() {
  const Json definitions = shared_properties(read_sections(), "");
  Json properties = Json::object();
  for (const auto& [key, schema] : definitions.items()) properties[key] = {{"$ref", "#/$defs/" + key}};
  properties["grid"] = grid_schema(definitions);
  Json schema{{"$schema", "https://json-schema.org/draft/2020-12/schema"},
              {"title", "An experiment of Shoal"},
              {"description", "Made by 'shoal schema' from what tasks and parts read."}};
  schema.update(object_schema(properties));
  schema["$defs"] = definitions;
  return schema;
}

}  // namespace shoal
