#pragma once
// JSON as the commands print it.

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

namespace shoal {

/// Keys stay in the order in which they were added.
using Json = nlohmann::ordered_json;

/// JSON has no NaN and no infinity: null stands for what was not measured, and "inf" or "-inf" for an infinite value.
Json json_real(double value);
/// The same as text, always with a point or an exponent: a real stays a real. Reads back to the same bits.
std::string json_real_text(double value);

/// On one line, as UTF-8; bytes that are not UTF-8 are replaced.
std::string json_text(const Json& value);

/// The JSON value with the meaning of a TOML value, as settings print theirs: "0.1", "\"fed_avg\"", "[1, 2]", "inf".
/// Null where the text has no counterpart in JSON.
Json json_of_toml(std::string_view toml);

/// The object of a command: {"command": ..., then the entries of `rest`}, on a line of stdout.
void print_json(const std::string& command, const Json& rest);
/// The object of an error: {"command": ..., "error": ..., "exit_code": ...}.
void print_json_error(const std::string& command, const std::string& problem, int code);

}  // namespace shoal
