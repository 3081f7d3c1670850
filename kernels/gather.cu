#include "kernels/gather.hpp"

#include "kernels/gather_bodies.hpp"

namespace shoal {

template <class T>
void gather(OnDevice device, const ImageTable<T>& from, const std::int32_t* positions, std::int64_t count,
            const ImageGroups& to, std::int64_t* labels) {
  run_elements(device, count * from.channels * from.pixels, GatherValue<T>{from, positions, to});
  run_elements(device, count, GatherLabel{from.labels, positions, labels});
}

template void gather(OnDevice, const ImageTable<std::uint8_t>&, const std::int32_t*, std::int64_t, const ImageGroups&,
                     std::int64_t*);
template void gather(OnDevice, const ImageTable<float>&, const std::int32_t*, std::int64_t, const ImageGroups&,
                     std::int64_t*);

}  // namespace shoal
