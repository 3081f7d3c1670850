#pragma once
// Order statistics of a strip: n vectors, one per row, whose lanes are neighbouring coordinates. Lanes are independent.
// Values are kept as keys, integers that order as the values do. Host only.

#include <cstddef>
#include <cstdint>
#include <span>
#include <type_traits>
#include <utility>
#include <vector>

namespace shoal::order {

/// Vectors of 32 bytes: eight coordinates of float or four of double.
template <class T>
struct Lanes {
  static constexpr int count = 32 / sizeof(T);
  using Bits = std::conditional_t<sizeof(T) == 4, std::int32_t, std::int64_t>;
  typedef T Values __attribute__((vector_size(32)));
  typedef Bits Keys __attribute__((vector_size(32)));
  typedef std::make_unsigned_t<Bits> Distances __attribute__((vector_size(32)));  // between keys
};

template <class T>
using Keys = typename Lanes<T>::Keys;
template <class T>
using Values = typename Lanes<T>::Values;

/// Flips all bits but the sign of negative numbers; its own inverse.
template <class T>
inline Keys<T> flip(Keys<T> bits) {
  constexpr auto magnitude = ~(typename Lanes<T>::Bits{1} << (8 * sizeof(T) - 1));
  return bits ^ ((bits >> (8 * sizeof(T) - 1)) & magnitude);
}

/// The same number in every lane.
template <class T>
inline Keys<T> all_lanes(typename Lanes<T>::Bits value) {
  return Keys<T>{} + value;
}

/// -0 counts as +0.
template <class T>
inline Keys<T> keys_of(Values<T> values) {
  return flip<T>(reinterpret_cast<Keys<T>>(values + T(0)));
}

template <class T>
inline Values<T> values_of(Keys<T> keys) {
  return reinterpret_cast<Values<T>>(flip<T>(keys));
}

template <class V>
inline V smaller(V a, V b) {
  return a < b ? a : b;
}

template <class V>
inline V larger(V a, V b) {
  return a > b ? a : b;
}

using Network = std::vector<std::pair<std::uint16_t, std::uint16_t>>;

/// Batcher's merge exchange for n wires, without the comparators that cannot affect the wires first .. last.
Network sorting_network(std::size_t n, std::size_t first, std::size_t last);

template <class T>
inline void sort(std::span<Keys<T>> strip, const Network& network) {
  for (const auto& [low, high] : network) {
    const Keys<T> a = strip[low], b = strip[high];
    strip[low] = smaller(a, b);
    strip[high] = larger(a, b);
  }
}

/// The keys at the two 0-based ranks of each lane; at least 24 rows. NaN may be at any rank.
template <class T>
std::pair<Keys<T>, Keys<T>> select(std::span<const Keys<T>> strip, Keys<T> first_rank, Keys<T> second_rank);

}  // namespace shoal::order
