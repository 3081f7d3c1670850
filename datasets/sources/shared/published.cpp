#include "datasets/sources/shared/published.hpp"

#include <cstdlib>
#include <filesystem>

#include "datasets/readers/idx.hpp"
#include "sim/digest.hpp"
#include "sim/error.hpp"
#include "sim/files/inputs.hpp"
#include "sim/files/mapped_file.hpp"

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
  if (missing.empty()) {
    for (std::size_t i = 0; i < paths.size(); ++i) check_published(paths[i], files[i]);
    return paths;
  }
  const std::string place = folder.empty() ? "no folder is given: neither 'folder' nor the environment's SHOAL_DATA"
                                           : fmt::format("not in '{}'", folder);
  user_error("files of {} are missing ({}): {}. Get them from {}.", publication.title, place, missing,
             publication.page);
}

void check_published(const std::string& path, std::string_view sha256, std::span<const std::byte> content) {
  const std::string found = shoal::sha256(content);
  if (found == sha256) return;
  note_doubt(path, fmt::format("is not as published: its contents have the SHA-256 {} (expected {})", found, sha256));
}

void check_published(const std::string& path, const PublishedFile& file) {
  if (std::filesystem::is_fifo(path)) return;  // can be read only once
  const MappedFile mapped(path);
  const std::span<const std::byte> packed = std::as_bytes(mapped.bytes());
  if (!readers::is_gzip(mapped.bytes())) return check_published(path, file.contents, packed);
  if (sha256(packed) == file.sha256) return;
  const readers::Bytes unpacked = readers::gunzip(mapped.bytes(), path);
  check_published(path, file.contents, std::as_bytes(std::span(unpacked)));
}

}  // namespace shoal
