#include "datasets/devices/shared/flash_tables.hpp"

#include <cstdlib>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "sim/files/read_file.hpp"

namespace shoal::flash {
namespace {

using Json = nlohmann::json;  // objects are ordered by name

// Calls `take` with the parsed file; a layout that does not fit is a UserError that names the file.
template <class Take>
auto read(const std::string& folder, const char* name, const Take& take) {
  const std::string path = (std::filesystem::path(folder) / name).string();
  if (!std::filesystem::exists(path)) {
    user_error(
        "there is no FLASH table '{}'. Get it from github.com/PKU-Chengxu/FLASH, and set 'folder' or SHOAL_DATA.",
        path);
  }
  try {
    return take(Json::parse(read_file(path)));
  } catch (const Json::exception& error) {
    user_error("'{}' is not the table that FLASH publishes ({}). Get it from github.com/PKU-Chengxu/FLASH.", path,
               error.what());
  }
}

}  // namespace

std::string tables_folder(const std::string& folder, const Settings& settings) {
  if (!folder.empty()) return folder;
  const char* root = std::getenv("SHOAL_DATA");
  if (root != nullptr && *root != '\0') return (std::filesystem::path(root) / "flash-devices").string();
  user_error("{}: no folder with FLASH's tables is given. Set 'folder', or SHOAL_DATA in the environment.",
             settings.where());
}

std::vector<Network> networks(const std::string& folder) {
  return read(folder, "speed_distri.json", [](const Json& users) {
    constexpr double kilobyte = 1000;
    std::vector<Network> all;
    for (const auto& [name, user] : users.items()) {
      const auto rate = [&](const char* key) { return kilobyte * user.at(key).get<double>(); };
      all.push_back({rate("down_u"), rate("down_sigma"), rate("up_u"), rate("up_sigma")});
    }
    return all;
  });
}

std::vector<double> scores(const std::string& folder) {
  const Json phones = read(folder, "benchmark2score.json", [](Json table) { return table; });
  return read(folder, "real2benchmark.json", [&](const Json& models) {
    std::vector<double> all;
    for (const auto& [code, phone] : models.items()) {
      const auto found = phones.find(phone.get<std::string>());
      all.push_back(found == phones.end() ? 0 : found->get<double>());
    }
    return all;
  });
}

}  // namespace shoal::flash
