#pragma once
// The device and network tables that FLASH publishes: Yang et al., WWW 2021 (arXiv 2006.06983), repository
// PKU-Chengxu/FLASH.

#include <string>
#include <vector>

#include "sim/settings/settings.hpp"

namespace shoal::flash {

/// Bandwidth of one measured user, bytes per second: mean and standard deviation. The files hold kilobytes per second
/// (FLASH divides bytes by 1024 for downloads and 1000 for uploads; here a kilobyte is 1000 bytes both ways).
struct Network {
  double down, down_deviation, up, up_deviation;
};

/// Folder of the tables: `folder` or, if it is empty, flash-devices in the folder SHOAL_DATA of the environment.
std::string tables_folder(const std::string& folder, const Settings& settings);

/// speed_distri.json, in the order of the users' names. UserError for a file that is missing or is not such a table.
std::vector<Network> networks(const std::string& folder);

/// The AI Benchmark score of each phone model that real2benchmark.json names, in the order of the model codes, from
/// benchmark2score.json; 0 if the model has none.
std::vector<double> scores(const std::string& folder);

}  // namespace shoal::flash
