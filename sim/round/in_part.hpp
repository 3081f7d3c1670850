#pragma once
// Errors of a part's author: they name the part, the round and the shapes.

#include <c10/util/Exception.h>

#include "sim/nn/rows.hpp"
#include "sim/round/part.hpp"

namespace shoal {

/// Calls a hook of a part. An error of tensor arithmetic in it becomes a UserError that names the part and the round.
template <class Hook>
decltype(auto) in_part(const RoundPart& part, std::string_view hook, std::int64_t round, const Hook& call) {
  try {
    return call();
  } catch (const c10::Error& error) {
    const std::string_view all = error.what_without_backtrace();
    user_error("the {} of '{}' has failed in round {}: {}. Mend this part.", hook, part.name(), round,
               as_message(std::string(all.substr(0, all.find('\n')))));
  }
}

/// Throws UserError unless a part has left one row for each of `clients` clients in every channel.
void require_shapes(std::span<const Rows> filled, std::span<const Channel> declared, std::int64_t clients,
                    const RoundPart& part, std::int64_t round);
/// Throws UserError unless a strategy has left the parameters in the layout's shape and type.
void require_parameters(const at::Tensor& params, const ParameterLayout& layout, const RoundPart& strategy,
                        std::int64_t round);

}  // namespace shoal
