#pragma once
// Files as their publishers offer them, and their paths on this machine.

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace shoal {

/// An IDX file. The name is without .gz; the hashes are SHA-256 of the file with .gz and of what it unpacks to.
struct PublishedFile {
  std::string_view stem, sha256, contents;
};

/// A data set's name in errors, its folder below SHOAL_DATA, and the page to get it from.
struct Publication {
  std::string_view title, folder, page;
};

/// Paths of `files` in `folder`, or in `$SHOAL_DATA/<publication.folder>` where `folder` is empty. UserError that lists
/// the missing ones with their SHA-256 and where to get them.
std::vector<std::string> find_published(const Publication& publication, std::span<const PublishedFile> files,
                                        std::string folder);

/// Notes a doubt about the file (sim/files/inputs.hpp) that names the expected and the found hash unless it holds what
/// was published, packed or not.
void check_published(const std::string& path, const PublishedFile& file);
/// The same for a file that is published unpacked.
void check_published(const std::string& path, std::string_view sha256, std::span<const std::byte> content);

}  // namespace shoal
