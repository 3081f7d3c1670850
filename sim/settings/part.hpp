#pragma once
// Exchangeable parts: one file each, found by name in a table that the build generates (sim/parts.cmake).

#include <array>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "sim/settings/settings.hpp"

namespace shoal {

/// A row of a part table. `about` is the comment at the top of the part's file: what it does and its source.
template <class Contract>
struct Part {
  std::string_view name;
  std::string_view about;
  std::unique_ptr<Contract> (*make)(Settings&);
};

/// All parts that implement `Contract`, sorted by name. Specialised by generated code for each contract.
template <class Contract>
std::span<const Part<Contract>> parts();

/// The part called `name`; UserError with the nearest name when there is none. `kind` is the word for such a part in
/// the message.
template <class Contract>
const Part<Contract>& find_part(std::string_view kind, std::string_view name) {
  std::vector<std::string> names;
  for (const auto& part : parts<Contract>()) {
    if (part.name == name) return part;
    names.emplace_back(part.name);
  }
  const std::string near = nearest(name, names);
  user_error("there is no {} called '{}'. {}", kind, name,
             near.empty() ? "See 'shoal list'." : fmt::format("The nearest is '{}'.", near));
}

/// Makes the part that `section` names under its key `name`.
template <class Contract>
std::unique_ptr<Contract> make_part(std::string_view kind, std::string_view fallback, Settings section) {
  const std::string name = section.text("name", fallback, fmt::format("which {}", kind));
  std::unique_ptr<Contract> part = find_part<Contract>(kind, name).make(section);
  if constexpr (requires { part->set_name(name); }) part->set_name(name);
  return part;
}

}  // namespace shoal
