#pragma once
// A fast 64-bit hash of an array, the same on host and device. It finds ranks whose models differ: two different arrays
// collide with a probability of about 2^-64. It protects against accidents, not adversaries.
//
// Bits count, not values: 0 and -0 differ, and so do NaNs of different payload. The array is read as 64-bit
// little-endian words w_0, w_1, ..., the last one padded with zeros, and hashed as a tree of fixed shape:
//
//   chunk   4,096 words; word i goes to lane i mod 32, which starts as mix(lane + 1) and takes each of its words by
//           h = (h ^ w); h = (h ^ h >> 29) M. The shift comes before the product, so that changes of the highest bit
//           spread before the next word, and it is not 32, which would align a float's sign with its neighbour's:
//           flipped signs do not cancel. With the other words fixed, h is a bijection of each word: one changed word
//           always shows.
//   lanes   joined pairwise, far halves first: join(a, b) = mix(a + R b), for 16, 8, ... 1 pairs
//   tree    the hashes of the chunks are the words of the next level, until one is left
//   end     mix(root ^ number of bytes)
//
// M = 0x9e3779b97f4a7c15 (2^64 over the golden ratio, odd), R = 0xd6e8feb86659fd93, mix is the 64-bit finalizer of
// MurmurHash3 (Appleby 2011, public domain).

#include <cstdint>
#include <span>

#include "kernels/launch.hpp"

namespace shoal {

/// The hash of `values`; T is float, double, std::int32_t or std::int64_t.
template <class T>
std::uint64_t tensor_hash(std::span<const T> values);

/// The same hash of `size` values on the device (device.hpp), written to *out in device memory.
template <class T>
void tensor_hash(OnDevice device, const T* values, std::int64_t size, std::uint64_t* out);

}  // namespace shoal
