// Ring arithmetic on the device: one thread per coordinate, limited by memory bandwidth.
#include "kernels/ring.hpp"

#include <cmath>
#include <type_traits>

namespace shoal {
namespace {

template <class Word, class T>
struct Encode {
  Word* out;
  const T* row;
  std::int64_t weight;
  double scale;
  std::uint32_t* failed;

  SHOAL_HD void operator()(std::int64_t i) const {
    using Signed = std::make_signed_t<Word>;
    constexpr double limit = sizeof(Word) == 8 ? 0x1p63 : 0x1p31;
    const double x = row[i];
    const double q =
        weight == 0 ? x * 0 : rint(x * scale);  // with weight 0 only NaN and infinity matter: both become NaN
    out[i] = 0;
    // NaN fails both comparisons. The double may round the product up to the limit, so the integer below decides.
    if (!(q > -limit && q < limit && fabs(q * weight) <= limit)) {
      Block::add(*failed, std::uint32_t{1});
      return;
    }
    const Word product = static_cast<std::uint64_t>(static_cast<std::int64_t>(q)) * weight;
    // A product of magnitude 2^(bits - 1), or one whose sign is wrong after wrapping around, is out of range.
    const bool negative = (q < 0) != (weight < 0);
    const bool fits = q == 0 || (product << 1 != 0 && (static_cast<Signed>(product) < 0) == negative);
    if (fits)
      out[i] = product;
    else
      Block::add(*failed, std::uint32_t{1});
  }
};

template <class Word>
struct Add {
  Word* sum;
  const Word* x;
  SHOAL_HD void operator()(std::int64_t i) const { sum[i] += x[i]; }
};

template <class Word>
struct Subtract {
  Word* sum;
  const Word* x;
  SHOAL_HD void operator()(std::int64_t i) const { sum[i] -= x[i]; }
};

template <class Word, class T>
struct Decode {
  T* out;
  const Word* sum;
  double unit, total_weight;
  SHOAL_HD void operator()(std::int64_t i) const {
    out[i] = static_cast<std::make_signed_t<Word>>(sum[i]) * unit / total_weight;
  }
};

}  // namespace

template <class Word, class T>
void ring_encode(OnDevice device, Word* out, const T* row, std::int64_t size, std::int64_t weight, int exponent,
                 std::uint32_t* failed) {
  run_elements(device, size, Encode<Word, T>{out, row, weight, std::ldexp(1.0, exponent), failed});
}

template <class Word>
void ring_add(OnDevice device, Word* sum, const Word* x, std::int64_t size) {
  run_elements(device, size, Add<Word>{sum, x});
}

template <class Word>
void ring_subtract(OnDevice device, Word* sum, const Word* x, std::int64_t size) {
  run_elements(device, size, Subtract<Word>{sum, x});
}

template <class Word, class T>
void ring_decode(OnDevice device, T* out, const Word* sum, std::int64_t size, int exponent, double total_weight) {
  run_elements(device, size, Decode<Word, T>{out, sum, std::ldexp(1.0, -exponent), total_weight});
}

#define SHOAL_INSTANTIATE(Word)                                                                            \
  template void ring_encode<Word, float>(OnDevice, Word*, const float*, std::int64_t, std::int64_t, int,   \
                                         std::uint32_t*);                                                  \
  template void ring_encode<Word, double>(OnDevice, Word*, const double*, std::int64_t, std::int64_t, int, \
                                          std::uint32_t*);                                                 \
  template void ring_add<Word>(OnDevice, Word*, const Word*, std::int64_t);                                \
  template void ring_subtract<Word>(OnDevice, Word*, const Word*, std::int64_t);                           \
  template void ring_decode<Word, float>(OnDevice, float*, const Word*, std::int64_t, int, double);        \
  template void ring_decode<Word, double>(OnDevice, double*, const Word*, std::int64_t, int, double);
SHOAL_INSTANTIATE(std::uint32_t)
SHOAL_INSTANTIATE(std::uint64_t)
#undef SHOAL_INSTANTIATE

}  // namespace shoal
