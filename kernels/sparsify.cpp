#include "kernels/sparsify.hpp"

#include <immintrin.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <stdexcept>
#include <string>

#include "kernels/fixed_point.hpp"
#include "kernels/sparsify_bodies.hpp"

namespace shoal {
namespace {

using sparse::key_of;
using Indices = std::vector<std::uint32_t>;

constexpr std::size_t block_size = 2048;  // stays in the first-level cache between addition and selection
constexpr int half_bits = 16;             // about half of a key's 31 bits: two histograms find any key

void require_row(std::size_t size) {
  if (size > std::numeric_limits<std::uint32_t>::max())
    throw std::invalid_argument("row of " + std::to_string(size) + " values (indices have 32 bits)");
}

void refuse_nan(std::span<const float> x, std::span<const std::uint32_t> indices) {
  for (const std::uint32_t i : indices)
    if (std::isnan(x[i])) throw std::invalid_argument("NaN at index " + std::to_string(i) + " of a row to sparsify");
}

// Calls visit(i, key) for every key >= threshold, in order.
template <class Visit>
void visit_keys(std::span<const float> x, std::size_t begin, std::size_t end, std::uint32_t threshold,
                const Visit& visit) {
  std::size_t i = begin;
  const __m256i magnitude = _mm256_set1_epi32(0x7fffffff), limit = _mm256_set1_epi32(threshold - 1);
  for (; i + 8 <= end; i += 8) {
    const __m256i keys = _mm256_and_si256(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(&x[i])), magnitude);
    unsigned hits = _mm256_movemask_ps(_mm256_castsi256_ps(_mm256_cmpgt_epi32(keys, limit)));
    for (; hits != 0; hits &= hits - 1) {
      const std::size_t hit = i + std::countr_zero(hits);
      visit(hit, key_of(x[hit]));
    }
  }
  for (; i < end; ++i)
    if (key_of(x[i]) >= threshold) visit(i, key_of(x[i]));
}

// A row as it is.
struct Plain {
  std::span<const float> x;
  float at(std::size_t i) const { return x[i]; }
  void prepare(std::size_t, std::size_t) const {}
};

// A memory, x, to which `update` has yet to be added; each block must be prepared once.
struct Added {
  std::span<float> x;
  std::span<const float> update;
  float at(std::size_t i) const { return x[i] + update[i]; }
  void prepare(std::size_t begin, std::size_t end) const {
    float* __restrict to = x.data();
    const float* __restrict from = update.data();
    for (std::size_t i = begin; i < end; ++i) to[i] += from[i];
  }
};

// A key that probably has k or a few more keys of the row at or above it: an order statistic of an evenly spread
// sample, three standard deviations on the safe side.
template <class Row>
std::uint32_t guess_threshold(const Row& row, std::size_t k) {
  const std::size_t size = row.x.size(), sampled = std::clamp<std::size_t>(size / 128, 256, 4096);
  const double expected = 1.0 * k / size * sampled;
  const double rank = expected + 3 * std::sqrt(expected) + 3;
  if (size < sampled || rank >= sampled) return 0;
  std::vector<std::uint32_t> keys(sampled);
  for (std::size_t s = 0; s < sampled; ++s) keys[s] = key_of(row.at(s * size / sampled));
  const std::ptrdiff_t place = rank;
  const auto nth = keys.begin() + place;
  std::ranges::nth_element(keys, nth, std::greater());
  return *nth;
}

// Selects the top k from candidates that include them.
void select_from(std::span<const std::uint32_t> candidates, std::span<const std::uint32_t> keys,
                 std::span<std::uint32_t> indices) {
  std::vector<std::uint32_t> order(keys.begin(), keys.end());
  const auto nth = order.begin() + std::ssize(indices) - 1;
  std::ranges::nth_element(order, nth, std::greater());
  const std::uint32_t threshold = *nth;
  auto ties = indices.size() - std::ranges::count_if(keys, [=](auto key) { return key > threshold; });
  std::size_t count = 0;
  for (std::size_t c = 0; c < candidates.size(); ++c) {
    if (keys[c] > threshold || (keys[c] == threshold && ties > 0)) {
      ties -= keys[c] == threshold;
      indices[count++] = candidates[c];
    }
  }
}

// The digit of the `rank`-th largest key (from 0), by the counts of digits. Subtracts the counts of larger digits from
// the rank.
std::uint32_t find_digit(const std::vector<std::uint32_t>& counts, std::size_t& rank) {
  std::size_t digit = counts.size() - 1;
  for (; rank >= counts[digit]; --digit) rank -= counts[digit];
  return digit;
}

// Radix selection: three reads of the row, whatever its values.
void select_by_digits(std::span<const float> x, std::span<std::uint32_t> indices) {
  std::size_t rank = indices.size() - 1;
  std::vector<std::uint32_t> counts(std::size_t{1} << half_bits);
  for (const float value : x) ++counts[key_of(value) >> (31 - half_bits)];
  const std::uint32_t upper = find_digit(counts, rank);
  std::ranges::fill(counts, 0);
  for (const float value : x)
    counts[key_of(value) & ((1u << (31 - half_bits)) - 1)] += key_of(value) >> (31 - half_bits) == upper;
  const std::uint32_t threshold = upper << (31 - half_bits) | find_digit(counts, rank);
  std::size_t count = 0, ties = rank + 1;
  visit_keys(x, 0, x.size(), threshold, [&](std::uint32_t i, std::uint32_t key) {
    if (key == threshold && ties == 0) return;
    ties -= key == threshold;
    indices[count++] = i;
  });
}

template <class Row>
int select_top(const Row& row, std::span<std::uint32_t> indices) {
  const std::size_t size = row.x.size(), k = indices.size();
  require_row(size);
  if (k > size) throw std::invalid_argument(std::to_string(k) + " largest of " + std::to_string(size) + " values");
  const std::uint32_t threshold = k == 0 ? sparse::key_of_infinity + 1 : guess_threshold(row, k);
  const std::size_t most = 4 * k + 4096;  // more candidates would be slower than histograms
  Indices candidates, keys;
  candidates.reserve(std::min(size, most + block_size));
  keys.reserve(candidates.capacity());
  for (std::size_t begin = 0; begin < size; begin += block_size) {
    const std::size_t end = std::min(size, begin + block_size);
    row.prepare(begin, end);
    if (candidates.size() > most) continue;
    visit_keys(row.x, begin, end, threshold, [&](std::uint32_t i, std::uint32_t key) {
      candidates.push_back(i);
      keys.push_back(key);
    });
  }
  if (k == 0) return 1;
  const bool good = candidates.size() >= k && candidates.size() <= most;
  if (good)
    select_from(candidates, keys, indices);
  else
    select_by_digits(row.x, indices);
  refuse_nan(row.x, indices);  // a NaN has one of the largest keys
  return good ? 1 : 4;
}

template <class T>
void add_entries(std::span<std::int64_t> sum, std::span<const std::uint32_t> indices, std::span<const T> values,
                 std::int64_t weight, int exponent) {
  require_size("values", values.size(), indices.size());
  if (exponent < -largest_exponent || exponent > largest_exponent)
    throw std::invalid_argument("fixed-point exponent of " + std::to_string(exponent));
  const double scale = std::ldexp(1.0, exponent);
  for (std::size_t j = 0; j < indices.size(); ++j) {
    if (indices[j] >= sum.size())
      throw std::out_of_range("index " + std::to_string(indices[j]) + " of a sum of " + std::to_string(sum.size()) +
                              " values");
    std::int64_t product = 0;
    if (!sparse::fixed_product(values[j], scale, weight, product))
      throw std::overflow_error("fixed-point product of " + std::to_string(values[j]) + " with weight " +
                                std::to_string(weight) + " at scale 2^" + std::to_string(exponent) +
                                " does not fit 64 bits");
    sum[indices[j]] += product;
  }
}

}  // namespace

int top_k(std::span<const float> x, std::span<std::uint32_t> indices) { return select_top(Plain{x}, indices); }

int top_k_with_memory(std::span<float> memory, std::span<const float> update, std::span<std::uint32_t> indices,
                      std::span<float> values) {
  require_size("update", update.size(), memory.size());
  require_size("values", values.size(), indices.size());
  const int reads = select_top(Added{memory, update}, indices);
  take(memory, indices, values);
  return reads;
}

std::vector<std::uint32_t> at_least(std::span<const float> x, float threshold) {
  require_row(x.size());
  if (!(threshold >= 0))
    throw std::invalid_argument("threshold of " + std::to_string(threshold) + " (negative or NaN)");
  Indices found;
  visit_keys(x, 0, x.size(), key_of(threshold), [&](std::uint32_t i, std::uint32_t) { found.push_back(i); });
  refuse_nan(x, found);
  return found;
}

void random_k(PhiloxKey key, PhiloxBlock counter, std::uint32_t size, std::span<std::uint32_t> indices) {
  if (indices.size() > size)
    throw std::invalid_argument(std::to_string(indices.size()) + " random indices below " + std::to_string(size));
  if (counter[3] != 0) throw std::invalid_argument("the last word of a random_k counter counts draws (must be 0)");
  // Draws the set or its complement, whichever is smaller.
  const bool complement = indices.size() > size / 2;
  std::size_t missing = complement ? size - indices.size() : indices.size();
  std::vector<std::uint64_t> drawn((std::size_t{size} + 63) / 64);
  for (; missing > 0; ++counter.word[3]) {
    const PhiloxBlock random = philox(counter, key);
    for (int half = 0; half < 2 && missing > 0; ++half) {
      const auto uniform = std::uint64_t{random[2 * half]} << 32 | random[2 * half + 1];
      const std::uint64_t index = static_cast<unsigned __int128>(uniform) * size >> 64;
      const std::uint64_t bit = std::uint64_t{1} << index % 64;
      missing -= (drawn[index / 64] & bit) == 0;
      drawn[index / 64] |= bit;
    }
  }
  std::size_t count = 0;
  for (std::size_t w = 0; w < drawn.size(); ++w) {
    std::uint64_t bits = complement ? ~drawn[w] : drawn[w];
    if (size - w * 64 < 64) bits &= (std::uint64_t{1} << (size - w * 64)) - 1;
    for (; bits != 0; bits &= bits - 1) indices[count++] = w * 64 + std::countr_zero(bits);
  }
}

void gather(std::span<const float> x, std::span<const std::uint32_t> indices, std::span<float> values) {
  require_size("values", values.size(), indices.size());
  for (std::size_t j = 0; j < indices.size(); ++j) values[j] = x[indices[j]];
}

void take(std::span<float> x, std::span<const std::uint32_t> indices, std::span<float> values) {
  gather(x, indices, values);
  for (const std::uint32_t i : indices) x[i] = 0;
}

void scatter_add(std::span<std::int64_t> sum, std::span<const std::uint32_t> indices, std::span<const float> values,
                 std::int64_t weight, int exponent) {
  add_entries(sum, indices, values, weight, exponent);
}

void scatter_add(std::span<std::int64_t> sum, std::span<const std::uint32_t> indices, std::span<const double> values,
                 std::int64_t weight, int exponent) {
  add_entries(sum, indices, values, weight, exponent);
}

}  // namespace shoal
