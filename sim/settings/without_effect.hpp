#pragma once
// Keys that are read and, beside other settings, decide nothing.

#include "sim/settings/settings.hpp"

namespace shoal {

/// Throws UserError if `settings` has one of the keys. `reason` is a clause that names what ignores it, such as "the
/// schedule is constant".
inline void refuse_without_effect(const Settings& settings, std::initializer_list<std::string_view> keys,
                                  std::string_view reason) {
  for (const std::string_view key : keys) {
    if (!settings.has(key)) continue;
    user_error("{}: '{}' has no effect ({}). Leave it out.", settings.where(), key, reason);
  }
}

}  // namespace shoal
