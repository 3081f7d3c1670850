#pragma once
// Maps of the best objective over the judge's false-positive rate and how often users say what they want.

#include <string>

#include "experiments/report/studies.hpp"

namespace shoal {

/// One cell of the map.
struct Winner {
  const Arm* arm = nullptr;     // the arm with the lowest loss; null if nothing was measured
  double loss = 0;              // its mean
  const Arm* second = nullptr;  // the next; null if there is none
  bool told_apart = false;      // the paired 95 % interval of the two does not contain zero
};

struct WinnerMap {
  std::vector<double> false_positive, directive;  // ascending; two or more each
  std::vector<std::vector<Winner>> cells;         // [directive][false_positive]
};

/// One map for every group of settings that differ in these two alone and have a cell for each pair of values.
std::vector<WinnerMap> winner_maps(const Studies& studies);

/// The maps with a heading and an explanation; empty without maps.
std::string map_section(const Studies& studies);

}  // namespace shoal
