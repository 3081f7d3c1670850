#pragma once
// The type of a declared setting: written by Settings where a key is read, and read back by whoever needs its parts.

#include <string>
#include <string_view>
#include <vector>

#include "sim/settings/settings.hpp"

namespace shoal {

struct DeclaredType {
  std::string kind;                    // number, integer, flag, text, choice, list of numbers, of integers or of texts
  Bounds bounds{};                     // bounds of a number, or of each item of a list
  std::vector<std::string> options{};  // options of a choice
};

/// "at least 1", "greater than 0 and at most 1", "between 0 and 1"; empty for any number.
std::string bounds_text(const Bounds& bounds);

/// "number, at least 0", "choice of a, b", "list of integers": `Declared::type`.
std::string type_text(const DeclaredType& type);
/// The type that has this text.
DeclaredType declared_type(std::string_view text);

}  // namespace shoal
