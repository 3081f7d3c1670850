#pragma once

namespace shoal {

/// The style sheet of the report: light and dark by the reader's preference, light on paper.
extern const char* const page_style;

}  // namespace shoal
