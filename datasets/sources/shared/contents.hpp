#pragma once
// A data set from its examples, and the hash of its contents.

#include <string>

#include "sim/task/data.hpp"
#include "sim/task/dense_store.hpp"

namespace shoal {

/// SHA-256 over shapes, features, targets and groups of both halves, in order. Independent of how the files were packed
/// or named and of scale and offset, which are settings.
std::string contents_digest(const ExampleStore& train, const ExampleStore& test);

/// The data set of these examples, with their digest.
Dataset dataset_of(Examples train, Examples test);

}  // namespace shoal
