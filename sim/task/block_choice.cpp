#include "sim/task/block_choice.hpp"

#include <fmt/ranges.h>

#include <algorithm>

#include "sim/error.hpp"

namespace shoal {

const std::vector<std::string>& block_form_names() {
  static const std::vector<std::string> names{"in_turn", "stacked", "grouped"};
  return names;
}

std::string name(BlockForm form) { return block_form_names()[static_cast<std::size_t>(form)]; }

BlockForm block_form(const std::string& name, const std::string& where) {
  const std::vector<std::string>& names = block_form_names();
  const auto found = std::ranges::find(names, name);
  if (found == names.end()) {
    user_error("{}: unknown form '{}' of a block. Use one of {}.", where, name, fmt::join(names, ", "));
  }
  return static_cast<BlockForm>(found - names.begin());
}

}  // namespace shoal
