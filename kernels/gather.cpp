#include "kernels/gather.hpp"

#include "kernels/gather_bodies.hpp"

namespace shoal {

template <class T>
void gather(const ImageTable<T>& from, std::span<const std::int32_t> positions, const ImageGroups& to,
            std::int64_t* labels) {
  const std::int64_t count = std::ssize(positions);
  run_elements(OnHost{}, count * from.channels * from.pixels, GatherValue<T>{from, positions.data(), to});
  run_elements(OnHost{}, count, GatherLabel{from.labels, positions.data(), labels});
}

template void gather(const ImageTable<std::uint8_t>&, std::span<const std::int32_t>, const ImageGroups&, std::int64_t*);
template void gather(const ImageTable<float>&, std::span<const std::int32_t>, const ImageGroups&, std::int64_t*);

}  // namespace shoal
