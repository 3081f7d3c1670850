#pragma once
// Text that goes into HTML or SVG.

#include <string>
#include <string_view>

namespace shoal {

/// Safe as content and inside quoted attributes. What XML forbids (control characters, invalid UTF-8) becomes U+FFFD,
/// so that no label can break the page.
std::string escaped(std::string_view text);

}  // namespace shoal
