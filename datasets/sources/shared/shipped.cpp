#include "datasets/sources/shared/shipped.hpp"

#include <filesystem>

namespace shoal {

std::string shipped_folder(const std::string& name) {
  namespace fs = std::filesystem;
  const fs::path built = fs::path(SHOAL_DATA_SHIPPED) / name;  // defined in datasets/CMakeLists.txt
  std::error_code failure;
  if (fs::is_directory(built, failure)) return built.string();
  const fs::path program = fs::read_symlink("/proc/self/exe", failure);
  const fs::path installed = program.parent_path().parent_path() / "share" / "shoal" / name;
  if (!failure && fs::is_directory(installed, failure)) return installed.string();
  return built.string();
}

}  // namespace shoal
