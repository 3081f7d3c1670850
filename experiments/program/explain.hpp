#pragma once
// `shoal list` and `shoal explain`: all parts, and the settings that each of them reads.

#include <string>

#include "experiments/program/json.hpp"

namespace shoal {

/// All parts by kind, one line each.
std::string list_parts();

/// The same as a list of {kind, section, name, about}.
Json parts_json();

/// The same as a Markdown page with a table for each kind.
std::string parts_page();

/// The part's description, source and settings with defaults; for a section that is no part ("local"), its settings.
/// UserError with the nearest name when nothing has that name.
std::string explain(const std::string& name);
/// The same as a list of {kind, section, name, about, settings}.
Json explain_json(const std::string& name);

}  // namespace shoal
