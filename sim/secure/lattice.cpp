#include "sim/secure/lattice.hpp"

#include <sodium/crypto_stream_chacha20.h>

#include <bit>
#include <cstring>

#include "sim/error.hpp"

namespace shoal {
namespace {

using Wide = unsigned __int128;

// The position of i when its bits are read from the other end.
std::int64_t reversed(std::int64_t i, int bits) {
  std::int64_t out = 0;
  for (int b = 0; b < bits; ++b) out |= (i >> b & 1) << (bits - 1 - b);
  return out;
}

// 64-bit words of the key stream number `number` of a key.
std::vector<std::uint64_t> stream_words(const Key256& key, std::int64_t number, std::size_t count) {
  std::vector<std::uint64_t> words(count);
  Nonce nonce{};
  std::memcpy(nonce.data(), &number, sizeof number);
  crypto_stream_chacha20_ietf(reinterpret_cast<unsigned char*>(words.data()), count * sizeof(std::uint64_t),
                              nonce.data(), key.data());
  return words;
}

}  // namespace

Coefficient power_mod(Coefficient base, Coefficient exponent, Coefficient q) {
  Coefficient result = 1;
  for (; exponent > 0; exponent >>= 1) {
    if (exponent & 1) result = multiply_mod(result, base, q);
    base = multiply_mod(base, base, q);
  }
  return result;
}

NumberTransform::NumberTransform(std::int64_t degree, Coefficient q, Coefficient root)
    : q_(q), roots_(degree), inverse_roots_(degree) {
  ensure(std::has_single_bit(static_cast<std::uint64_t>(degree)) && power_mod(root, degree, q) == q - 1,
         "{} is no root of unity of order {} modulo {}", root, 2 * degree, q);
  const int bits = std::countr_zero(static_cast<std::uint64_t>(degree));
  const Coefficient inverse_root = power_mod(root, q - 2, q);
  Coefficient power = 1, inverse_power = 1;
  for (std::int64_t i = 0; i < degree; ++i) {
    roots_[reversed(i, bits)] = factor(power);
    inverse_roots_[reversed(i, bits)] = factor(inverse_power);
    power = multiply_mod(power, root, q);
    inverse_power = multiply_mod(inverse_power, inverse_root, q);
  }
  scale_ = factor(power_mod(degree, q - 2, q));
}

const NumberTransform& NumberTransform::of_lattice() {
  static const NumberTransform one(lattice_degree, lattice_modulus,
                                   power_mod(11, (lattice_modulus - 1) / (2 * lattice_degree)));
  return one;
}

NumberTransform::Factor NumberTransform::factor(Coefficient w) const {
  return {.w = w, .quotient = static_cast<Coefficient>((Wide{w} << 64) / q_)};
}

Coefficient NumberTransform::times(Coefficient a, const Factor& f) const {
  const auto quotient = static_cast<Coefficient>(Wide{a} * f.quotient >> 64);
  const Coefficient product = a * f.w - quotient * q_;
  return product >= q_ ? product - q_ : product;
}

void NumberTransform::forward(std::span<Coefficient> values) const {
  ensure(values.size() == roots_.size(), "a transform of {} values ({} expected)", values.size(), roots_.size());
  std::size_t half = values.size() / 2;
  for (std::size_t groups = 1; groups < values.size(); groups *= 2, half /= 2) {
    for (std::size_t g = 0; g < groups; ++g) {
      const Factor root = roots_[groups + g];
      Coefficient* low = values.data() + 2 * g * half;
      Coefficient* high = low + half;
      for (std::size_t j = 0; j < half; ++j) {
        const Coefficient a = low[j], b = times(high[j], root);
        low[j] = add_mod(a, b, q_);
        high[j] = subtract_mod(a, b, q_);
      }
    }
  }
}

void NumberTransform::inverse(std::span<Coefficient> values) const {
  ensure(values.size() == roots_.size(), "a transform of {} values ({} expected)", values.size(), roots_.size());
  std::size_t half = 1;
  for (std::size_t groups = values.size() / 2; groups > 0; groups /= 2, half *= 2) {
    for (std::size_t g = 0; g < groups; ++g) {
      const Factor root = inverse_roots_[groups + g];
      Coefficient* low = values.data() + 2 * g * half;
      Coefficient* high = low + half;
      for (std::size_t j = 0; j < half; ++j) {
        const Coefficient a = low[j], b = high[j];
        low[j] = add_mod(a, b, q_);
        high[j] = times(subtract_mod(a, b, q_), root);
      }
    }
  }
  for (Coefficient& value : values) value = times(value, scale_);
}

Coefficient encode_word(std::uint32_t word, int bits) {
  const std::uint64_t low = word & ((std::uint64_t{1} << bits) - 1);  // higher bits are not part of the ring
  return static_cast<Coefficient>((Wide{lattice_modulus} * low + (Wide{1} << (bits - 1))) >> bits);
}

std::uint32_t decode_word(Coefficient value, int bits) {
  const auto rounded = static_cast<std::uint64_t>(((Wide{value} << bits) + lattice_modulus / 2) / lattice_modulus);
  return static_cast<std::uint32_t>(bits == 32 ? rounded : rounded & ((std::uint64_t{1} << bits) - 1));
}

std::vector<Coefficient> small_polynomial(const Key256& key, std::int64_t number) {
  constexpr std::uint64_t mask = (std::uint64_t{1} << largest_error) - 1;
  const std::vector<std::uint64_t> words = stream_words(key, number, 2 * lattice_degree);
  std::vector<Coefficient> values(lattice_degree);
  for (std::size_t i = 0; i < values.size(); ++i) {
    const int difference = std::popcount(words[2 * i] & mask) - std::popcount(words[2 * i + 1] & mask);
    values[i] = difference < 0 ? lattice_modulus - static_cast<Coefficient>(-difference) : difference;
  }
  return values;
}

std::vector<Coefficient> uniform_polynomial(const Key256& key, std::int64_t number, std::int64_t count) {
  constexpr std::uint64_t mask = (std::uint64_t{1} << lattice_bits) - 1;
  std::vector<Coefficient> values;
  values.reserve(count);
  // The modulus is so close to 2^54 that a few words more than needed do, but for a probability below 2^-128.
  for (const std::uint64_t word : stream_words(key, number, count + 8)) {
    if (std::ssize(values) < count && (word & mask) < lattice_modulus) values.push_back(word & mask);
  }
  ensure(std::ssize(values) == count, "a key stream gives {} of {} coefficients", values.size(), count);
  return values;
}

std::int64_t most_weight(int bits) {
  // An error of at most 42 and one rounding of a half each, times the weight, have to stay below q / 2^(bits + 1).
  return static_cast<std::int64_t>(lattice_modulus / (Wide{1} << bits) / (2 * largest_error + 1));
}

}  // namespace shoal
