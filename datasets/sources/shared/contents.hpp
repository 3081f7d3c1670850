#pragma once
// The hash of a data set's contents.

#include <string>

#include "sim/task/data.hpp"

namespace shoal {

/// SHA-256 over shapes, features, labels and groups of both halves, in order. Independent of how the files were packed
/// or named and of scale and offset, which are settings.
std::string contents_digest(const Examples& train, const Examples& test);

}  // namespace shoal
