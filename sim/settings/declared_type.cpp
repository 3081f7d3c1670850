#include "sim/settings/declared_type.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <cmath>
#include <cstdlib>

namespace shoal {
namespace {

constexpr std::string_view choice_of = "choice of ", between_word = "between ", greater_than = "greater than ",
                           at_least_word = "at least ", at_most_word = "at most ", and_word = " and ";

// Removes `prefix` from the beginning of `text`, if it is there.
bool take(std::string_view& text, std::string_view prefix) {
  if (!text.starts_with(prefix)) return false;
  text.remove_prefix(prefix.size());
  return true;
}

double take_number(std::string_view& text) {
  const std::string copy(text);
  char* end = nullptr;
  const double value = std::strtod(copy.c_str(), &end);
  text.remove_prefix(end - copy.c_str());
  return value;
}

Bounds read_bounds(std::string_view text) {
  Bounds bounds;
  if (take(text, between_word)) {
    bounds.least = take_number(text);
    take(text, and_word);
    bounds.most = take_number(text);
    return bounds;
  }
  bounds.least_excluded = take(text, greater_than);
  if (bounds.least_excluded || take(text, at_least_word)) bounds.least = take_number(text);
  take(text, and_word);
  if (take(text, at_most_word)) bounds.most = take_number(text);
  return bounds;
}

}  // namespace

std::string bounds_text(const Bounds& bounds) {
  const bool below = std::isfinite(bounds.least), above = std::isfinite(bounds.most);
  if (!below && !above) return "";
  if (below && above && !bounds.least_excluded) {
    return fmt::format("{}{}{}{}", between_word, bounds.least, and_word, bounds.most);
  }
  const std::string least = fmt::format("{}{}", bounds.least_excluded ? greater_than : at_least_word, bounds.least);
  const std::string most = fmt::format("{}{}", at_most_word, bounds.most);
  if (below && above) return fmt::format("{}{}{}", least, and_word, most);
  return below ? least : most;
}

std::string type_text(const DeclaredType& type) {
  if (type.kind == "choice") return fmt::format("{}{}", choice_of, fmt::join(type.options, ", "));
  const std::string bounds = bounds_text(type.bounds);
  return bounds.empty() ? type.kind : fmt::format("{}, {}", type.kind, bounds);
}

DeclaredType declared_type(std::string_view text) {
  DeclaredType type;
  if (take(text, choice_of)) {
    type.kind = "choice";
    for (std::size_t comma = 0; comma != std::string_view::npos;) {
      comma = text.find(", ");
      type.options.emplace_back(text.substr(0, comma));
      if (comma != std::string_view::npos) text.remove_prefix(comma + 2);
    }
    return type;
  }
  const std::size_t comma = text.find(", ");
  type.kind = text.substr(0, comma);
  if (comma != std::string_view::npos) type.bounds = read_bounds(text.substr(comma + 2));
  return type;
}

}  // namespace shoal
