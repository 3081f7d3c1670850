#include "sim/nn/word_rows.hpp"

#include <ATen/TensorOperators.h>
#include <ATen/ops/aminmax.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/from_blob.h>
#include <ATen/ops/zeros.h>

#include <algorithm>
#include <cmath>
#include <stdexcept>

#include "kernels/fixed_point.hpp"
#include "kernels/ring.hpp"
#include "sim/nn/device.hpp"

namespace shoal {
namespace {

constexpr std::int64_t piece = 1024;  // coordinates whose random words stay in the first-level cache
constexpr int most_draws = 256;

at::ScalarType type_for(int bits) { return bits <= 32 ? at::kInt : at::kLong; }

// Calls body(Word{}) with the type that holds words of so many bits.
template <class Body>
void with_word(int bits, const Body& body) {
  if (bits <= 32) return body(std::int32_t{});
  body(std::int64_t{});
}

constexpr std::int64_t largest_word(int bits) {
  return static_cast<std::int64_t>((std::uint64_t{1} << (bits - 1)) - 1);
}

// Whether a word of at most this magnitude (an integer) still has these bits when it is multiplied by the weight.
bool fits(double largest, std::int64_t weight, int bits) {
  if (!(largest < 0x1p63)) return false;
  std::int64_t product = 0;
  const bool overflows = __builtin_mul_overflow(static_cast<std::int64_t>(largest), weight, &product);
  return !overflows && product <= largest_word(bits) && product >= -largest_word(bits);
}

[[noreturn]] void refuse(std::int64_t row, double largest, std::int64_t weight, int bits) {
  throw std::overflow_error(fmt::format("row {}: the product of {} with weight {} does not fit a word of {} bits", row,
                                        largest, weight, bits));
}

// Rounds x * scale at random, multiplies by the weight and returns the sum of squares before the weight. Draws from
// block `first` of the stream on.
template <class Word, class T>
double round_randomly(std::span<Word> out, std::span<const T> x, double scale, std::int64_t weight,
                      const PhiloxStream& stream, std::int64_t first) {
  std::uint32_t random[piece];
  double rounded[piece];
  double squares = 0;
  const std::int64_t size = std::ssize(x);
  for (std::int64_t begin = 0; begin < size; begin += piece) {
    const std::int64_t n = std::min(piece, size - begin);
    philox_words({random, static_cast<std::size_t>(n)}, stream, first + begin / 4);
    for (std::int64_t i = 0; i < n; ++i) {  // separate loops, without branches on random numbers
      const double scaled = x[begin + i] * scale, below = std::floor(scaled);
      rounded[i] = below + static_cast<double>(random[i] < (scaled - below) * 0x1p32);
    }
    for (std::int64_t i = 0; i < n; ++i) squares += rounded[i] * rounded[i];
    for (std::int64_t i = 0; i < n; ++i) {
      out[begin + i] = static_cast<Word>(static_cast<std::int64_t>(rounded[i]) * weight);
    }
  }
  return squares;
}

// One row, of finite values that fit.
template <class Word, class T>
void encode_row(std::span<Word> out, std::span<const T> x, std::int64_t row, std::int64_t weight,
                const WordFormat& format, RandomKey key, const Participation& who) {
  const double scale = std::ldexp(1.0, format.exponent);
  const PhiloxStream stream = philox_stream(key, value(who.client), value(who.id));
  const bool is_conditional = format.rounding == Rounding::conditional;
  const double most = is_conditional ? rounded_norm_bound(format.norm * scale, std::ssize(x)) : 0;
  const std::int64_t blocks = (std::ssize(x) + 3) / 4;
  for (std::int64_t draw = 0; draw < most_draws; ++draw) {
    ensure((draw + 1) * blocks <= philox_stream_words / 4, "rounding row {} needs more than 2^34 random words", row);
    const double squares = round_randomly<Word, T>(out, x, scale, weight, stream, draw * blocks);
    if (!is_conditional || std::sqrt(squares) <= most) return;
  }
  throw std::overflow_error(
      fmt::format("row {}: {} draws left a norm above {} at scale 2^{}", row, most_draws, most, format.exponent));
}

void append_row(std::vector<std::byte>& bytes, const at::Tensor& row, int bits) {
  with_word(bits, [&]<class Word>(Word) {
    unsigned __int128 waiting = 0;
    int filled = 0;
    for (const Word word : std::span(row.const_data_ptr<Word>(), row.numel())) {
      const std::uint64_t lowest = static_cast<std::uint64_t>(static_cast<std::int64_t>(word)) << (64 - bits);
      waiting |= static_cast<unsigned __int128>(lowest >> (64 - bits)) << filled;
      for (filled += bits; filled >= 8; filled -= 8, waiting >>= 8) bytes.push_back(static_cast<std::byte>(waiting));
    }
    if (filled > 0) bytes.push_back(static_cast<std::byte>(waiting));
  });
}

void read_row(std::span<const std::byte> bytes, const at::Tensor& row, int bits) {
  with_word(bits, [&]<class Word>(Word) {
    unsigned __int128 waiting = 0;
    int filled = 0;
    auto next = bytes.begin();
    for (Word& word : std::span(row.mutable_data_ptr<Word>(), row.numel())) {
      for (; filled < bits; filled += 8) waiting |= static_cast<unsigned __int128>(*next++) << filled;
      const auto lowest = static_cast<std::uint64_t>(waiting) << (64 - bits);
      word = static_cast<Word>(static_cast<std::int64_t>(lowest) >> (64 - bits));
      waiting >>= bits;
      filled -= bits;
    }
  });
}

std::int64_t row_bytes(std::int64_t width, int bits) { return (width * bits + 7) / 8; }

}  // namespace

double rounded_norm_bound(double norm, std::int64_t size) {
  const double root = std::sqrt(static_cast<double>(size));
  return std::min(norm + root, std::sqrt(norm * norm + 0.25 * root * root + norm + 0.5 * root));
}

WordRows WordRows::of(const at::Tensor& dense, const WordFormat& format, std::span<const std::int64_t> weights,
                      RandomKey key, std::span<const Participation> block) {
  ensure(format.bits >= 2 && format.bits <= 64, "words of {} bits", format.bits);
  ensure(format.exponent >= -largest_exponent && format.exponent <= largest_exponent, "words at scale 2^{}",
         format.exponent);
  const bool is_random = format.rounding != Rounding::nearest;
  ensure(!is_random || block.size() == weights.size(), "{} participations draw for {} rows", block.size(),
         weights.size());
  ensure(format.rounding != Rounding::conditional || std::isfinite(format.norm),
         "conditional rounding without a norm of the rows");
  const std::int64_t width = dense.size(1);
  WordRows rows{at::zeros({dense.size(0), width}, type_for(format.bits)), format.bits, format.exponent};
  const std::vector<double> bounds = Rows(dense).bounds();
  const auto encode = [&]<class Word, class T>(Word, T) {
    for (std::int64_t k = 0; k < std::ssize(weights); ++k) {
      if (weights[k] == 0) continue;
      const double scaled = std::ldexp(bounds[k], format.exponent);
      if (!fits(is_random ? std::ceil(scaled) : std::rint(scaled), weights[k], format.bits)) {
        refuse(k, scaled, weights[k], format.bits);
      }
      const std::span out(rows.words.mutable_data_ptr<Word>() + k * width, width);
      const std::span<const T> x(dense.const_data_ptr<T>() + k * width, width);
      if (is_random) {
        encode_row<Word, T>(out, x, k, weights[k], format, key, block[k]);
      } else {
        using Residue = std::make_unsigned_t<Word>;  // the same two's complement
        ring_encode<Residue, T>({reinterpret_cast<Residue*>(out.data()), out.size()}, x, weights[k], format.exponent);
      }
    }
  };
  with_word(format.bits, [&]<class Word>(Word word) {
    if (dense.scalar_type() == at::kFloat) return encode(word, float{});
    encode(word, double{});
  });
  return rows;
}

WordRows WordRows::weighted(const WordFormat& format, std::span<const std::int64_t> weights) const {
  ensure(format.exponent == exponent, "words at scale 2^{} were expected at 2^{}", exponent, format.exponent);
  ensure(format.bits >= 2 && format.bits <= 64, "words of {} bits", format.bits);
  const at::Tensor host = words.to(at::kCPU);
  WordRows rows{at::zeros(host.sizes(), type_for(format.bits)), format.bits, exponent};
  const std::vector<double> most = largest();
  for (std::int64_t k = 0; k < count(); ++k) {
    if (weights[k] == 0) continue;
    if (!fits(most[k], weights[k], format.bits)) refuse(k, most[k], weights[k], format.bits);
    rows.words[k].copy_(host[k].to(at::kLong) * weights[k]);
  }
  return rows;
}

std::string WordRows::problem() const {
  if (bits < 1 || bits > 64 || exponent < -largest_exponent || exponent > largest_exponent) {
    return fmt::format("words of {} bits at scale 2^{}", bits, exponent);
  }
  if (!words.defined() || words.dim() != 2 || words.scalar_type() != type_for(bits) || !words.is_contiguous()) {
    return fmt::format("words of {} bits that are not [K, d] of their type", bits);
  }
  if (on_device(words) || words.numel() == 0) return {};
  const auto [least, most] = at::aminmax(words);
  if (least.item<std::int64_t>() < -largest_word(bits) - 1 || most.item<std::int64_t>() > largest_word(bits)) {
    return fmt::format("words that do not have {} bits", bits);
  }
  return {};
}

std::vector<double> WordRows::largest() const {
  std::vector<double> all(count());
  if (words.numel() == 0) return all;
  const auto [least, most] = at::aminmax(words, 1);
  const at::Tensor magnitudes = at::maximum(most.to(at::kDouble), -least.to(at::kDouble)).cpu();
  std::copy_n(magnitudes.const_data_ptr<double>(), count(), all.begin());
  for (double& magnitude : all) {
    if (magnitude >= 0x1p53) magnitude = std::nextafter(magnitude, 0x1p64);  // it may have been rounded down
  }
  return all;
}

at::Tensor WordRows::dense() const { return words.to(at::kDouble).mul_(std::ldexp(1.0, -exponent)); }

std::vector<double> WordRows::norms() const { return Rows(dense()).norms(); }

std::vector<double> WordRows::bounds() const {
  std::vector<double> all = largest();
  for (double& bound : all) bound = std::ldexp(bound, -exponent);
  return all;
}

void WordRows::scale(std::span<const double> factors) const {
  ensure(std::ranges::all_of(factors, [](double factor) { return factor == 1; }), "words are scaled after rounding");
}

void WordRows::add_to(const SumView& sum, std::span<const std::int64_t> weights, int sum_exponent) const {
  const int shift = sum_exponent - exponent;
  ensure(shift >= 0, "words at scale 2^{} would lose bits in a sum at 2^{}", exponent, sum_exponent);
  const at::Tensor total = at::from_blob(sum.values, {sum.size}, words.options().dtype(at::kLong));
  const std::vector<double> most = largest();
  for (std::int64_t k = 0; k < count(); ++k) {
    if (weights[k] == 0 || most[k] == 0) continue;
    if (shift > 62 || would_overflow(most[k], weights[k], shift)) {
      throw std::overflow_error(fmt::format("row {}: words at scale 2^{} with weight {} do not fit a sum at scale 2^{}",
                                            k, exponent, weights[k], sum_exponent));
    }
    total.add_(words[k], weights[k] * (std::int64_t{1} << shift));
  }
}

void WordRows::add_weighted(const SumView& sum, std::span<const double> weights, int sum_exponent) const {
  Rows(dense()).add_weighted(sum, weights, sum_exponent);
}

WordRows WordRows::kept() const { return {words.clone(), bits, exponent}; }

WordRows WordRows::to(at::Device device) const { return {words.to(device), bits, exponent}; }

void WordRows::pack(Packer& packer) const {
  const at::Tensor host = words.cpu();
  packer.number<std::int32_t>(bits).number<std::int32_t>(exponent).number(count()).number(words.size(1));
  std::vector<std::byte> bytes;
  bytes.reserve(count() * row_bytes(words.size(1), bits));
  for (std::int64_t k = 0; k < count(); ++k) append_row(bytes, host[k], bits);
  packer.array(std::span<const std::byte>(bytes));
}

WordRows WordRows::unpack(Unpacker& unpacker) {
  WordRows rows;
  rows.bits = unpacker.number<std::int32_t>();
  rows.exponent = unpacker.number<std::int32_t>();
  const auto count = unpacker.number<std::int64_t>();
  const auto width = unpacker.number<std::int64_t>();
  const std::vector<std::byte> bytes = unpacker.array<std::byte>();
  const std::int64_t size = std::ssize(bytes);
  // The width is compared with the number of bytes first, so that products cannot overflow.
  const bool is_known = rows.bits >= 1 && rows.bits <= 64 && count >= 0 && width >= 1 && width <= size * 8;
  const std::int64_t each = is_known ? row_bytes(width, rows.bits) : 1;
  if (!is_known || size % each != 0 || size / each != count) {
    user_error("words of '{}' have {} bytes that do not fit their shape. Use the version that wrote it.",
               unpacker.source(), size);
  }
  rows.words = at::empty({count, width}, type_for(rows.bits));
  for (std::int64_t k = 0; k < count; ++k) {
    read_row(std::span(bytes).subspan(k * each, each), rows.words[k], rows.bits);
  }
  return rows;
}

}  // namespace shoal
