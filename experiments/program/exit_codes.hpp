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

/// Runs `body` and prints what it throws as one line; `prefix` tells which rank it is. Returns the exit code.
template <class Body>
int guarded(const std::string& prefix, Body&& body) {
  try {
    body();
    return 0;
  } catch (const UserError& error) {
    fmt::print(stderr, "shoal: {}{}\n", prefix, error.what());
    return user_error_code;
  } catch (const BrokenInvariant& error) {
    fmt::print(stderr, "shoal: {}this is a defect of the program, please report it: {}\n", prefix, error.what());
    return other_error_code;
  } catch (const std::exception& error) {
    fmt::print(stderr, "shoal: {}{}\n", prefix, first_line(error.what()));
    return other_error_code;
  }
}

}  // namespace shoal
