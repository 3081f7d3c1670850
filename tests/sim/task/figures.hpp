#pragma once
// The figures of local training as columns.

#include <vector>

#include "sim/task/task.hpp"

namespace shoal::test {

/// One figure of every client of a block.
template <class T>
std::vector<T> column(T ClientFigures::*figure, const LocalResult& result) {
  std::vector<T> values;
  for (const ClientFigures& client : result.figures) values.push_back(client.*figure);
  return values;
}

}  // namespace shoal::test
