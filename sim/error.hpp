#pragma once
// The three kinds of error: the user's, ours and the system's. A message begins in lower case, states a fact and
// suggests a remedy: problem (facts). Suggestion.

#include <fmt/core.h>

#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace shoal {

/// Something that the user controls is wrong: a setting, a file, an argument. The program prints one line and exits
/// with 2.
struct UserError : std::runtime_error {
  using std::runtime_error::runtime_error;
};

/// A condition that the code relies on does not hold: a bug of ours. Exit code 1.
struct BrokenInvariant : std::logic_error {
  using std::logic_error::logic_error;
};

/// A call to the system or to a library failed; the message contains that call's own text. Exit code 1.
struct SystemError : std::runtime_error {
  using std::runtime_error::runtime_error;
};

template <class... Args>
[[noreturn]] void user_error(fmt::format_string<Args...> format, Args&&... args) {
  throw UserError(fmt::format(format, std::forward<Args>(args)...));
}

template <class... Args>
[[noreturn]] void system_error(fmt::format_string<Args...> format, Args&&... args) {
  throw SystemError(fmt::format(format, std::forward<Args>(args)...));
}

/// Throws BrokenInvariant unless `holds`. Cheap enough to stay in release builds; not for inner loops.
template <class... Args>
void ensure(bool holds, fmt::format_string<Args...> format, Args&&... args) {
  if (!holds) throw BrokenInvariant(fmt::format(format, std::forward<Args>(args)...));
}

/// `text` with its first letter in lower case: messages of systems and libraries begin with a capital, ours do not.
std::string as_message(std::string text);

/// The candidate nearest to `word` by edit distance, or empty when none is close enough to be a typing error.
std::string nearest(std::string_view word, const std::vector<std::string>& candidates);

}  // namespace shoal
