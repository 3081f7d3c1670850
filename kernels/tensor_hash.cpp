#include "kernels/tensor_hash.hpp"

#include <algorithm>
#include <vector>

#include "kernels/tensor_hash_bodies.hpp"

namespace shoal {
namespace {

template <class T>
std::uint64_t hash_of_chunk(HashWords<T> words, std::int64_t begin) {
  const std::int64_t n = std::min(hash_chunk, words.size() - begin);
  std::uint64_t lane[hash_lanes];
  for (std::int64_t l = 0; l < hash_lanes; ++l) lane[l] = hash_start(l);
  // The last word may need padding: it is left to the second loop.
  const std::int64_t whole = n == hash_chunk && begin + n < words.size() ? n : (n - 1) / hash_lanes * hash_lanes;
  for (std::int64_t i = 0; i < whole; i += hash_lanes)
    for (std::int64_t l = 0; l < hash_lanes; ++l) lane[l] = hash_take(lane[l], words.inner(begin + i + l));
  for (std::int64_t i = whole; i < n; ++i) lane[i - whole] = hash_take(lane[i - whole], words[begin + i]);
  for (std::int64_t width = hash_lanes / 2; width > 0; width /= 2)
    for (std::int64_t l = 0; l < width; ++l) lane[l] = hash_join(lane[l], lane[l + width]);
  return lane[0];
}

template <class T>
std::uint64_t root_of(HashWords<T> words) {
  std::vector<std::uint64_t> level(hash_chunks(words.size()));
  for (std::size_t c = 0; c < level.size(); ++c) level[c] = hash_of_chunk(words, c * hash_chunk);
  return level.size() == 1 ? level[0] : root_of(HashWords<std::uint64_t>(level.data(), std::ssize(level)));
}

}  // namespace

template <class T>
std::uint64_t tensor_hash(std::span<const T> values) {
  const HashWords<T> words(values.data(), std::ssize(values));
  return hash_end(root_of(words), words.bytes());
}

template std::uint64_t tensor_hash<float>(std::span<const float>);
template std::uint64_t tensor_hash<double>(std::span<const double>);
template std::uint64_t tensor_hash<std::int32_t>(std::span<const std::int32_t>);
template std::uint64_t tensor_hash<std::int64_t>(std::span<const std::int64_t>);

}  // namespace shoal
