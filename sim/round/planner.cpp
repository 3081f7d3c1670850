#include "sim/round/planner.hpp"

#include <algorithm>
#include <cmath>

#include "sim/round/channel.hpp"

namespace shoal {

Ticks World::duration(ClientId client, double fraction) const {
  const Device device = population.device(client);
  const double flops = local_flops(task.work(client), local, fraction);
  const double time = static_cast<double>(bytes_down) / device.down_bytes_per_second + flops / device.flops_per_second +
                      static_cast<double>(bytes_up) / device.up_bytes_per_second;
  return Ticks{std::max<std::int64_t>(1, std::llround(time * 1e6))};
}

std::int64_t Message::bytes() const {
  std::int64_t total = 0;
  for (const auto& [name, tensor] : tensors) total += static_cast<std::int64_t>(tensor.nbytes());
  return total;
}

}  // namespace shoal
