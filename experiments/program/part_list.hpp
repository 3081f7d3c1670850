#pragma once
// All parts of this program, of every kind.

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "sim/settings/part.hpp"

namespace shoal {

/// A registered part, whatever its contract.
struct AnyPart {
  std::string_view kind, section;       // "strategy"; the section of an experiment file that names one
  std::string_view name, about;         // Part
  std::string file;                     // below the source tree's root
  std::function<bool(Settings&)> make;  // makes the part, which reads its settings; true if there is one
};

/// Every part of every kind: what `shoal list` lists and the conformance test tries. Sorted by name within a kind.
std::vector<AnyPart> all_parts();

}  // namespace shoal
