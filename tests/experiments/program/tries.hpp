#pragma once
// Experiments with a part in them.

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <stdexcept>
#include <string>
#include <vector>

#include "experiments/program/part_list.hpp"
#include "sim/settings/settings.hpp"

namespace shoal::test {

/// Whether an experiment names a list of such parts.
inline bool is_listed(const AnyPart& part) {
  return part.section == "stages" || part.section == "codec" || part.section == "rules";
}

/// TOML that names the part in its section; `extra` are further keys.
inline std::string toml_of(const AnyPart& part, const std::string& extra = "") {
  const std::string table = fmt::format("{{name = \"{}\"{}}}", part.name, extra);
  return is_listed(part) ? "[" + table + "]" : table;
}

/// The lines of the first comment of the part's file that begin with `start`, without it.
inline std::vector<std::string> lines_of(const AnyPart& part, std::string_view start) {
  const char* source = std::getenv("SHOAL_SOURCE");
  std::ifstream file(std::filesystem::path(source == nullptr ? "" : source) / part.file);
  std::vector<std::string> all;
  for (std::string line; std::getline(file, line) && line.starts_with("//");) {
    const std::size_t begin = line.find_first_not_of("/ ");
    if (begin != std::string::npos && line.substr(begin).starts_with(start)) {
      all.push_back(line.substr(begin + start.size()));
    }
  }
  return all;
}

/// The settings with which the part's file asks to be tried, TOML each.
inline std::vector<std::string> tries(const AnyPart& part) { return lines_of(part, "Try:"); }

/// Other parts that a part is refused with, as its file says: "Refused with NAME, NAME: a part of the message".
struct RefusedWith {
  std::vector<std::string> names;  // "kind: ..." for all of a kind
  std::string message;
};
inline std::vector<RefusedWith> refusals(const AnyPart& part) {
  std::vector<RefusedWith> all;
  for (const std::string& line : lines_of(part, "Refused with ")) {
    const std::size_t colon = line.find(": ");
    if (colon == std::string::npos) throw std::runtime_error(fmt::format("{}: 'Refused with' no message", part.file));
    RefusedWith& one = all.emplace_back(RefusedWith{.names = {}, .message = line.substr(colon + 2)});
    std::istringstream names(line.substr(0, colon));
    for (std::string name; std::getline(names >> std::ws, name, ',');) {
      one.names.push_back(name.starts_with("every ") ? "kind: " + name.substr(6) : name);
    }
  }
  return all;
}

/// `base` with the values of `assignments`, "planner.cohort = 12, data.server = 50", in place of its own.
inline std::string with(const std::string& base, const std::string& assignments) {
  const Settings all = Settings::parse(fmt::format("all = {{{}}}", assignments), "Try");
  Settings settings = Settings::parse(base, "test.toml");
  for (const Settings::Leaf& leaf : all.section("all").leaves()) settings.set(leaf.key, leaf.toml);
  return settings.canonical();
}

}  // namespace shoal::test
