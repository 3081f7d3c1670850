#include "experiments/program/json.hpp"

#include <fmt/format.h>

#include <cmath>
#include <cstdio>

namespace shoal {

Json json_real(double value) {
  if (std::isnan(value)) return nullptr;
  if (std::isinf(value)) return value > 0 ? "inf" : "-inf";
  return value;
}

std::string json_real_text(double value) {
  if (!std::isfinite(value)) return json_text(json_real(value));
  std::string text = fmt::format("{}", value);
  if (text.find_first_of(".e") == std::string::npos) text += ".0";
  return text;
}

std::string json_text(const Json& value) { return value.dump(-1, ' ', false, Json::error_handler_t::replace); }

// The values that settings declare as defaults are JSON as well, but for inf and nan.
Json json_of_toml(std::string_view toml) {
  Json value = Json::parse(toml, nullptr, false);
  return value.is_discarded() ? Json() : value;
}

void print_json(const std::string& command, const Json& rest) {
  Json object{{"command", command}};
  object.update(rest);
  std::fputs((json_text(object) + '\n').c_str(), stdout);  // whoever ends the program looks for errors
}

void print_json_error(const std::string& command, const std::string& problem, int code) {
  print_json(command, {{"error", problem}, {"exit_code", code}});
}

}  // namespace shoal
