// Host form of the exact sum. Each value is read from memory once: a tile of every row is summed in double while its
// largest magnitude is taken; only then is it known whether those doubles were exact. If not, the tile, which the cache
// still holds, is summed again with more bits.

#include "kernels/fixed_point.hpp"

#include <immintrin.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <vector>

#include "kernels/fixed_point_bodies.hpp"

namespace shoal {
namespace {

// Coordinates of a tile: long enough for the hardware to fetch each row's piece ahead, short enough for the sums (16
// bytes a coordinate) and the pieces of eight rows to stay in the second-level cache.
constexpr std::size_t tile_size = 4096;
// Rows that share one load and store of a tile's sums. Fewer rows than the smaller group are added one by one, in
// pieces that stay in the first-level cache between the search for their largest magnitude and the sum.
constexpr std::size_t group_size = 8, small_group_size = 4, piece_size = 1024;
// How far ahead each row is prefetched, in values: the hardware prefetcher starts again with every piece.
constexpr std::size_t values_ahead = 256;

// AVX2 has no conversion between double and int64. Adding 1.5 * 2^52 leaves an integer below 2^51 in the low bits of
// the sum, rounded half to even. Fused products are here for speed: within the limits below all of them are exact.
constexpr double magic = 0x1.8p52;
constexpr double exact_limit = 0x1p51;

// The integer x, and the integer x * weight.
std::uint64_t whole(double x) { return std::bit_cast<std::uint64_t>(x + magic) - std::bit_cast<std::uint64_t>(magic); }
std::uint64_t whole(double x, double weight) {
  return std::bit_cast<std::uint64_t>(std::fma(x, weight, magic)) - std::bit_cast<std::uint64_t>(magic);
}

template <class T>
struct Term {
  const T* x;
  std::int64_t weight;
  std::size_t row;
};

// How a tile is summed. All depths that are enough for a tile give the same integers.
enum class Depth {
  one_double,   // all products of a coordinate are together below 2^51
  two_doubles,  // values are split in two, and the products of either half are together below 2^51
  integers,     // every product fits 64 bits
};

// Quantities that depend only on the weights and the exponent.
struct Scale {
  template <class T>
  Scale(std::span<const Term<T>> terms, int exponent) : exponent(exponent), factor(power_of_two(exponent)) {
    for (const Term<T>& term : terms) {
      const double weight = std::abs(1.0 * term.weight);
      all_weights += weight;
      largest_weight = std::max(largest_weight, weight);
    }
    int bits = 0;
    std::frexp(all_weights, &bits);
    split = std::clamp(51 - bits, 0, 32);
    upper_factor = std::ldexp(factor, -split);
    upper_unit = 1 / upper_factor;
  }

  // The first depth that is enough for a tile whose largest magnitude is `largest`. NaN fails the comparisons; one
  // more than the largest scaled magnitude covers its rounding.
  Depth depth_for(double largest) const {
    const double q = largest * factor + 1;
    if (q * all_weights < exact_limit) return Depth::one_double;
    const bool products_fit = q * largest_weight < 0x1p62;
    const bool upper_fits = (largest * upper_factor + 1) * all_weights < exact_limit;
    return split > 0 && products_fit && upper_fits ? Depth::two_doubles : Depth::integers;
  }

  int exponent;
  double factor;
  double all_weights = 0, largest_weight = 0;
  int split;  // bits of a value's lower half; times all weights it stays below 2^51
  double upper_factor, upper_unit;
};

__m256d four_doubles(const double* x) { return _mm256_loadu_pd(x); }
__m256d four_doubles(const float* x) { return _mm256_cvtps_pd(_mm_loadu_ps(x)); }

// Largest magnitude seen so far, by lane.
template <class T>
class Largest {
 public:
  void see_eight(const T* x) {
    const auto* at = reinterpret_cast<const __m256i*>(x);
    if constexpr (sizeof(T) == 4) {
      lanes_ = _mm256_max_epi32(lanes_, _mm256_and_si256(_mm256_loadu_si256(at), _mm256_set1_epi32(0x7fffffff)));
    } else {
      for (int half = 0; half < 2; ++half) {
        const __m256i mask = _mm256_set1_epi64x(std::numeric_limits<std::int64_t>::max());
        const __m256i bits = _mm256_and_si256(_mm256_loadu_si256(at + half), mask);
        lanes_ = _mm256_blendv_epi8(lanes_, bits, _mm256_cmpgt_epi64(bits, lanes_));
      }
    }
  }
  Bits<T> value() const {
    std::array<Bits<T>, 32 / sizeof(T)> each;
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(each.data()), lanes_);
    return *std::ranges::max_element(each);
  }

 private:
  __m256i lanes_ = _mm256_setzero_si256();
};

// The weighted sum of rows, tile by tile.
template <class T>
class WeightedRows {
 public:
  WeightedRows(std::span<const Term<T>> terms, int exponent) : terms_(terms), scale_(terms, exponent) {}

  // sum[i] += coordinate i of all rows, i < n. Throws std::overflow_error, naming the row, if a product does not fit.
  void add_to(std::int64_t* sum, std::size_t n) {
    const bool one_by_one = terms_.size() < small_group_size;
    const std::size_t longest = one_by_one ? piece_size : tile_size;
    const std::size_t in_eights = one_by_one ? n : n - n % 8;
    bool fits = true;
    for (std::size_t begin = 0; begin < in_eights && fits; begin += longest) {
      const std::size_t size = std::min(longest, in_eights - begin);
      fits = one_by_one ? add_pieces(sum, begin, size) : add_tile(sum, begin, size);
    }
    if (!fits || !add_pieces(sum, in_eights, n - in_eights)) refuse(n);
  }

  // Adds one row, whose largest magnitude is given. Returns false if a product does not fit.
  bool add_row(std::int64_t* sum, const T* x, std::size_t n, std::int64_t weight, double largest) const {
    const Depth depth = scale_.depth_for(largest);
    if (depth == Depth::integers && would_overflow(largest, weight, scale_.exponent)) return false;
    const double factor = weight;
    if (depth == Depth::integers) add_integers(sum, x, n, weight);
    if (depth == Depth::one_double) add_piece<Depth::one_double>(sum, x, n, factor);
    if (depth == Depth::two_doubles) add_piece<Depth::two_doubles>(sum, x, n, factor);
    return true;
  }

 private:
  // Tiles resemble their neighbours: each is first tried at the depth that the one before it needed.
  bool add_tile(std::int64_t* sum, std::size_t begin, std::size_t n) {
    const Depth first = depth_;
    if (first == Depth::one_double) depth_ = try_depth<Depth::one_double>(sum, begin, n);
    if (first == Depth::one_double && depth_ == Depth::one_double) return true;
    if (scale_.split > 0) depth_ = try_depth<Depth::two_doubles>(sum, begin, n);
    return depth_ == Depth::integers ? add_pieces(sum, begin, n) : true;
  }

  // Adds the tile to `sum` if this depth is enough for it. Returns the depth that is enough.
  template <Depth depth>
  Depth try_depth(std::int64_t* sum, std::size_t begin, std::size_t n) {
    std::fill_n(upper_, n, 0.0);
    if constexpr (depth == Depth::two_doubles) std::fill_n(lower_, n, 0.0);
    Bits<T> largest = 0;
    std::size_t k = 0;
    for (; k + group_size <= terms_.size(); k += group_size)
      largest = std::max(largest, add_rows<depth, group_size>(k, begin, n));
    for (; k + small_group_size <= terms_.size(); k += small_group_size)
      largest = std::max(largest, add_rows<depth, small_group_size>(k, begin, n));
    for (; k < terms_.size(); ++k) largest = std::max(largest, add_rows<depth, 1>(k, begin, n));

    const Depth enough = scale_.depth_for(std::bit_cast<T>(largest));
    if (enough > depth) return enough;
    std::int64_t* __restrict to = sum + begin;
    for (std::size_t i = 0; i < n; ++i) {
      std::uint64_t total = whole(upper_[i]);
      if constexpr (depth == Depth::two_doubles) total = (total << scale_.split) + whole(lower_[i]);
      to[i] = static_cast<std::uint64_t>(to[i]) + total;
    }
    return enough;
  }

  // Adds a group of rows to the tile's sums and returns their largest magnitude. If that needs another depth, the sums
  // are invalid.
  template <Depth depth, std::size_t rows>
  Bits<T> add_rows(std::size_t first, std::size_t begin, std::size_t n) {
    const __m256d factor = _mm256_set1_pd(scale_.factor), shift = _mm256_set1_pd(magic);
    const __m256d upper_factor = _mm256_set1_pd(scale_.upper_factor), upper_unit = _mm256_set1_pd(scale_.upper_unit);
    const T* x[rows];
    __m256d weight[rows];
    for (std::size_t k = 0; k < rows; ++k) {
      x[k] = terms_[first + k].x + begin;
      weight[k] = _mm256_set1_pd(terms_[first + k].weight);
    }
    Largest<T> largest;
    for (std::size_t i = 0; i < n; i += 8) {
      if (i % (64 / sizeof(T)) == 0)
        for (std::size_t k = 0; k < rows; ++k) _mm_prefetch(x[k] + i + values_ahead, _MM_HINT_T0);
      for (std::size_t k = 0; k < rows; ++k) largest.see_eight(x[k] + i);
      for (std::size_t j = i; j < i + 8; j += 4) {
        __m256d upper = _mm256_load_pd(upper_ + j), lower = _mm256_setzero_pd();
        if constexpr (depth == Depth::two_doubles) lower = _mm256_load_pd(lower_ + j);
        for (std::size_t k = 0; k < rows; ++k) {
          const __m256d value = four_doubles(x[k] + j);
          if constexpr (depth == Depth::one_double) {
            const __m256d q = _mm256_sub_pd(_mm256_fmadd_pd(value, factor, shift), shift);
            upper = _mm256_fmadd_pd(q, weight[k], upper);
          } else {
            // The upper half counts multiples of an even number: rounding the rest half to even rounds the whole.
            const __m256d q = _mm256_sub_pd(_mm256_fmadd_pd(value, upper_factor, shift), shift);
            const __m256d rest = _mm256_fnmadd_pd(q, upper_unit, value);
            const __m256d r = _mm256_sub_pd(_mm256_fmadd_pd(rest, factor, shift), shift);
            upper = _mm256_fmadd_pd(q, weight[k], upper);
            lower = _mm256_fmadd_pd(r, weight[k], lower);
          }
        }
        _mm256_store_pd(upper_ + j, upper);
        if constexpr (depth == Depth::two_doubles) _mm256_store_pd(lower_ + j, lower);
      }
    }
    return largest.value();
  }

  bool add_pieces(std::int64_t* sum, std::size_t begin, std::size_t n) const {
    return std::ranges::all_of(terms_, [&](const Term<T>& term) {
      const T* x = term.x + begin;
      return add_row(sum + begin, x, n, term.weight, largest_magnitude(x, n));
    });
  }

  template <Depth depth>
  void add_piece(std::int64_t* __restrict sum, const T* __restrict x, std::size_t n, double weight) const {
    for (std::size_t i = 0; i < n; ++i) {
      const double value = x[i];
      std::uint64_t product = 0;
      if constexpr (depth == Depth::one_double) {
        const double q = std::fma(value, scale_.factor, magic) - magic;
        product = whole(q, weight);
      } else {
        const double q = std::fma(value, scale_.upper_factor, magic) - magic;
        const double r = std::fma(std::fma(-q, scale_.upper_unit, value), scale_.factor, magic) - magic;
        product = (whole(q, weight) << scale_.split) + whole(r, weight);
      }
      sum[i] = static_cast<std::uint64_t>(sum[i]) + product;
    }
  }

  // For any product that fits: halves of 32 bits are converted separately and multiplied as integers.
  void add_integers(std::int64_t* __restrict sum, const T* __restrict x, std::size_t n, std::int64_t weight) const {
    for (std::size_t i = 0; i < n; ++i) {
      const double scaled = x[i] * scale_.factor;
      const double upper = std::fma(scaled, 0x1p-32, magic) - magic;
      const std::uint64_t q = (whole(upper) << 32) + whole(std::fma(upper, -0x1p32, scaled));
      sum[i] = static_cast<std::uint64_t>(sum[i]) + q * weight;
    }
  }

  [[noreturn]] void refuse(std::size_t n) const {
    const auto bad = std::ranges::find_if(terms_, [&](const Term<T>& term) {
      return would_overflow(largest_magnitude(term.x, n), term.weight, scale_.exponent);
    });
    refuse_product(bad->row, largest_magnitude(bad->x, n), bad->weight, scale_.exponent);
  }

  static double largest_magnitude(const T* x, std::size_t n) {
    Bits<T> largest = 0;
    for (std::size_t i = 0; i < n; ++i) largest = std::max(largest, magnitude(x[i]));
    return std::bit_cast<T>(largest);
  }

  std::span<const Term<T>> terms_;
  Scale scale_;
  Depth depth_ = Depth::one_double;
  alignas(64) double upper_[tile_size], lower_[tile_size];  // one tile's sums, in units of 2^split and 1
};

}  // namespace

template <class T>
void accumulate(std::span<std::int64_t> sum, std::span<const T> row, std::int64_t weight, int exponent) {
  accumulate_rows<T>(sum, one_row(row), {&weight, 1}, exponent);
}

template <class T>
void accumulate_rows(std::span<std::int64_t> sum, RowView<const T> rows, std::span<const std::int64_t> weights,
                     int exponent) {
  require_size("sum", sum.size(), rows.columns());
  require_size("weights", weights.size(), rows.rows());
  std::vector<Term<T>> terms;
  for (std::size_t k = 0; k < weights.size(); ++k)
    if (weights[k] != 0) terms.push_back({rows.at(k), weights[k], k});
  WeightedRows<T>(terms, exponent).add_to(sum.data(), sum.size());
}

template <class T>
void accumulate_difference(std::span<std::int64_t> sum, std::span<const T> after, std::span<const T> before,
                           std::int64_t weight, int exponent) {
  require_size("sum", sum.size(), after.size());
  require_size("row before", before.size(), after.size());
  if (weight == 0) return;
  T difference[piece_size];
  const Term<T> term{difference, weight, 0};
  const WeightedRows<T> rows({&term, 1}, exponent);
  for (std::size_t begin = 0; begin < sum.size(); begin += piece_size) {
    const std::size_t n = std::min(piece_size, sum.size() - begin);
    Bits<T> largest = 0;
    for (std::size_t i = 0; i < n; ++i) {
      difference[i] = after[begin + i] - before[begin + i];
      largest = std::max(largest, magnitude(difference[i]));
    }
    const double max_abs = std::bit_cast<T>(largest);
    if (!rows.add_row(sum.data() + begin, difference, n, weight, max_abs)) refuse_product(0, max_abs, weight, exponent);
  }
}

#define SHOAL_INSTANTIATE(T)                                                                                       \
  template void accumulate<T>(std::span<std::int64_t>, std::span<const T>, std::int64_t, int);                     \
  template void accumulate_rows<T>(std::span<std::int64_t>, RowView<const T>, std::span<const std::int64_t>, int); \
  template void accumulate_difference<T>(std::span<std::int64_t>, std::span<const T>, std::span<const T>,          \
                                         std::int64_t, int);
SHOAL_INSTANTIATE(float)
SHOAL_INSTANTIATE(double)
#undef SHOAL_INSTANTIATE

}  // namespace shoal
