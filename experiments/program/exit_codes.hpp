#pragma once
// The program's exit codes, and how it reports errors.

#include <fmt/core.h>

#include <cstdio>
#include <string>

#include "sim/error.hpp"

namespace shoal {

inline constexpr int user_error_code = 2, other_error_code = 1;
inline constexpr int stopped_code = 75;  // EX_TEMPFAIL: saved, run again with --resume

/// The first line of a message: LibTorch appends a stack trace to its own.
inline std::string first_line(const std::string& text) { return text.substr(0, text.find('\n')); }

/// One line on stderr. It never throws: whether anyone can read it changes nothing.
inline void complain(const std::string& text) { std::fputs(("shoal: " + text + '\n').c_str(), stderr); }

/// Runs `body` and prints what it throws as one line; `prefix` tells which rank it is. Returns the exit code.
template <class Body>
int guarded(const std::string& prefix, Body&& body) {
  try {
    body();
    return 0;
  } catch (const UserError& error) {
    complain(prefix + error.what());
    return user_error_code;
  } catch (const BrokenInvariant& error) {
    complain(prefix + "this is a defect of the program, please report it: " + error.what());
    return other_error_code;
  } catch (const std::exception& error) {
    complain(prefix + first_line(error.what()));
    return other_error_code;
  }
}

}  // namespace shoal
