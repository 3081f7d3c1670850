#include "sim/round/in_part.hpp"

#include <ATen/core/Tensor.h>
#include <fmt/ranges.h>

namespace shoal {

void require_shapes(std::span<const Rows> filled, std::span<const Channel> declared, std::int64_t clients,
                    const RoundPart& part, std::int64_t round) {
  if (filled.size() != declared.size()) {
    user_error("'{}' has filled {} channels in round {} (of {} that are declared). Mend this part.", part.name(),
               filled.size(), round, declared.size());
  }
  for (std::size_t c = 0; c < declared.size(); ++c) {
    const Rows& rows = filled[c];
    if (rows.count() == clients && rows.width() == declared[c].size) continue;
    user_error(
        "'{}' has filled the channel '{}' with {} x {} values in round {} (its declaration and the block ask for {} x "
        "{}). "
        "Mend this part.",
        part.name(), declared[c].name, rows.count(), rows.width(), round, clients, declared[c].size);
  }
}

void require_parameters(const at::Tensor& params, const ParameterLayout& layout, const RoundPart& strategy,
                        std::int64_t round) {
  if (params.dim() == 1 && params.size(0) == layout.size && params.scalar_type() == layout.type) return;
  user_error(
      "'{}' has left parameters of shape [{}] and type {} in round {} (the model has [{}] of type {}). Mend its "
      "server_update.",
      strategy.name(), fmt::join(params.sizes().begin(), params.sizes().end(), ", "),
      at::toString(params.scalar_type()), round, layout.size, at::toString(layout.type));
}

}  // namespace shoal
