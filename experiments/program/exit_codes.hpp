#pragma once
// The program's exit codes, and how it reports errors.

#include <fmt/core.h>

#include <cstdio>
#include <string>
#include <string_view>

#include "sim/error.hpp"

namespace shoal {

inline constexpr int user_error_code = 2, other_error_code = 1;
inline constexpr int stopped_code = 75;  // EX_TEMPFAIL: saved, run again with --resume

/// The first line of a message: LibTorch appends a stack trace to its own.
inline std::string first_line(const std::string& text) { return text.substr(0, text.find('\n')); }

/// One line on stderr. It never throws: whether anyone can read it changes nothing.
inline void complain(const std::string& text) { std::fputs(("shoal: " + text + '\n').c_str(), stderr); }

/// The end of a command that failed: its exit code and one line about it.
struct Failure {
  int code = 0;
  std::string problem;
};

/// The text on one line, whatever it quotes: control characters, which could steer a terminal, are written as escapes.
inline std::string printable(std::string_view text) {
  std::string line;
  for (const char c : text) {
    const unsigned char byte = c;
    line += byte < 0x20 || byte == 0x7f ? fmt::format("\\x{:02x}", byte) : std::string(1, c);
  }
  return line;
}

/// Runs `body`; what it throws becomes the failure.
template <class Body>
Failure caught(Body&& body) {
  try {
    body();
    return {};
  } catch (const UserError& error) {
    return {user_error_code, printable(error.what())};
  } catch (const BrokenInvariant& error) {
    return {other_error_code,
            printable(fmt::format("this is a defect of the program, please report it: {}", error.what()))};
  } catch (const std::exception& error) {
    return {other_error_code, printable(first_line(error.what()))};
  }
}

/// Runs `body` and prints what it throws as one line; `prefix` tells which rank it is. Returns the exit code.
template <class Body>
int guarded(const std::string& prefix, Body&& body) {
  const Failure failure = caught(body);
  if (failure.code != 0) complain(prefix + failure.problem);
  return failure.code;
}

}  // namespace shoal
