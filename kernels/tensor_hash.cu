// Device form of the hash: a warp hashes a chunk, a launch a level of the tree.

#include "kernels/device.hpp"
#include "kernels/tensor_hash_bodies.hpp"

namespace shoal {
namespace {

template <class T>
struct HashChunks {
  static constexpr int lanes = 256;
  static constexpr std::int64_t chunks_at_once = lanes / hash_lanes;
  struct Shared {
    std::uint64_t hash[lanes];
  };

  HashWords<T> words;
  std::int64_t chunks;
  std::uint64_t* out;

  SHOAL_HD void operator()(Block block, Shared& shared) const {
    const std::int64_t first = block.index() * chunks_at_once;
    block.each([&](int lane) {
      const std::int64_t begin = (first + lane / hash_lanes) * hash_chunk;
      const std::int64_t end = begin + hash_chunk < words.size() ? begin + hash_chunk : words.size();
      std::uint64_t hash = hash_start(lane % hash_lanes);
      for (std::int64_t i = begin + lane % hash_lanes; i < end; i += hash_lanes) hash = hash_take(hash, words[i]);
      shared.hash[lane] = hash;
    });
    for (std::int64_t width = hash_lanes / 2; width > 0; width /= 2)
      block.each([&](int lane) {
        if (lane % hash_lanes < width) shared.hash[lane] = hash_join(shared.hash[lane], shared.hash[lane + width]);
      });
    block.each([&](int lane) {
      const std::int64_t chunk = first + lane / hash_lanes;
      if (lane % hash_lanes == 0 && chunk < chunks) out[chunk] = shared.hash[lane];
    });
  }
};

struct HashEnd {
  const std::uint64_t* root;
  std::uint64_t bytes;
  std::uint64_t* out;
  SHOAL_HD void operator()(std::int64_t) const { *out = hash_end(*root, bytes); }
};

template <class T>
DeviceArray<std::uint64_t> level_of(OnDevice device, HashWords<T> words) {
  const std::int64_t chunks = hash_chunks(words.size());
  constexpr std::int64_t at_once = HashChunks<T>::chunks_at_once;
  DeviceArray<std::uint64_t> level(device, chunks);
  run_blocks(device, (chunks + at_once - 1) / at_once, HashChunks<T>{words, chunks, level.data()});
  return level;
}

}  // namespace

template <class T>
void tensor_hash(OnDevice device, const T* values, std::int64_t size, std::uint64_t* out) {
  const HashWords<T> words(values, size);
  DeviceArray<std::uint64_t> level = level_of(device, words);
  while (level.size() > 1) level = level_of(device, HashWords<std::uint64_t>(level.data(), level.size()));
  run_elements(device, 1, HashEnd{level.data(), words.bytes(), out});
}

template void tensor_hash<float>(OnDevice, const float*, std::int64_t, std::uint64_t*);
template void tensor_hash<double>(OnDevice, const double*, std::int64_t, std::uint64_t*);
template void tensor_hash<std::int32_t>(OnDevice, const std::int32_t*, std::int64_t, std::uint64_t*);
template void tensor_hash<std::int64_t>(OnDevice, const std::int64_t*, std::int64_t, std::uint64_t*);

}  // namespace shoal
