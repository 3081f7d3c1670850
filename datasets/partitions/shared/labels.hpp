#pragma once
// The labels that partitions deal by.

#include <cstdint>
#include <string>
#include <vector>

#include "sim/task/data.hpp"

namespace shoal {

/// Label of each training example; UserError, with `where` as the place, for examples that have none.
std::span<const std::int32_t> labels_of(const ExampleStore& train, const std::string& where);

/// Positions of the examples of each class, [classes], in ascending order. UserError as above.
std::vector<std::vector<std::int32_t>> examples_by_class(const ExampleStore& train, const std::string& where);

}  // namespace shoal
