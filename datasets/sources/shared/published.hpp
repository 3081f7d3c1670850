#pragma once
// Files as their publishers offer them, and their paths on this machine.

#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace shoal {

/// An IDX file. The name is without .gz, the SHA-256 of the file with .gz.
struct PublishedFile {
  std::string_view stem, sha256;
};

/// A data set's name in errors, its folder below SHOAL_DATA, and the page to get it from.
struct Publication {
  std::string_view title, folder, page;
};

/// Paths of `files` in `folder`, or in `$SHOAL_DATA/<publication.folder>` where `folder` is empty. UserError that lists
/// the missing ones with their SHA-256 and where to get them.
std::vector<std::string> find_published(const Publication& publication, std::span<const PublishedFile> files,
                                        std::string folder);

}  // namespace shoal
