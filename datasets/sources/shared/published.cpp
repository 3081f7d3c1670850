#include "datasets/sources/shared/published.hpp"

#include <cstdlib>
#include <filesystem>

#include "datasets/readers/idx.hpp"
#include "sim/error.hpp"

namespace shoal {

std::vector<std::string> find_published(const Publication& publication, std::span<const PublishedFile> files,
                                        std::string folder) {
  const char* root = std::getenv("SHOAL_DATA");
  if (folder.empty() && root != nullptr && *root != '\0') {
    folder = (std::filesystem::path(root) / publication.folder).string();
  }
  std::vector<std::string> paths;
  std::string missing;
  for (const PublishedFile& file : files) {
    paths.push_back(folder.empty() ? "" : readers::find_idx(folder, std::string(file.stem)));
    if (!paths.back().empty()) continue;
    missing += fmt::format("{}{}.gz (sha-256 {})", missing.empty() ? "" : ", ", file.stem, file.sha256);
  }
  if (missing.empty()) return paths;
  const std::string place = folder.empty() ? "no folder is given: neither 'folder' nor the environment's SHOAL_DATA"
                                           : fmt::format("not in '{}'", folder);
  user_error("files of {} are missing ({}): {}. Get them from {}.", publication.title, place, missing,
             publication.page);
}

}  // namespace shoal
