#pragma once
// How many clients train together, and how: choices that change bits, so they are made once and recorded.

#include <cstdint>
#include <string>
#include <vector>

namespace shoal {

/// How the clients of a block are trained.
enum class BlockForm : std::int8_t {
  in_turn,  // one after the other on the same buffers, which stay in the cache; each has the bits it has alone
  stacked,  // every layer for all clients at once, with batched matrix products and a convolution for each client
  grouped,  // the same with one grouped convolution for the block
};

/// "in_turn" and so on, as [local] spells them.
std::string name(BlockForm form);
/// The form of this name; UserError that lists all forms if there is none of this name. `where` is the place to name in
/// the error.
BlockForm block_form(const std::string& name, const std::string& where);
/// All names, in the order of the enumeration.
const std::vector<std::string>& block_form_names();

struct BlockChoice {
  std::int64_t clients = 1;
  BlockForm form = BlockForm::in_turn;
  bool operator==(const BlockChoice&) const = default;
};

}  // namespace shoal
