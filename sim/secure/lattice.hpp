#pragma once
// Arithmetic of one-shot secure aggregation: polynomials modulo X^N + 1 over the field of a prime q, and words of a
// ring Z_{2^b} as multiples of q / 2^b.
//
// N = 2048 and q of 54 bits are the largest modulus that the homomorphic encryption standard (2018) allows for that
// degree at 128 bits of security with errors of a deviation of 3.2; q is 1 modulo 2 N, so that products are transforms.

#include <cstdint>
#include <span>
#include <vector>

#include "sim/secure/primitives.hpp"

namespace shoal {

using Coefficient = std::uint64_t;

inline constexpr std::int64_t lattice_degree = 2048;
inline constexpr Coefficient lattice_modulus = 18'014'398'509'404'161;  // 2^54 - 77,823
inline constexpr int lattice_bits = 54;                                 // width of a coefficient that travels

inline Coefficient add_mod(Coefficient a, Coefficient b, Coefficient q = lattice_modulus) {
  const Coefficient sum = a + b;
  return sum >= q ? sum - q : sum;
}
inline Coefficient subtract_mod(Coefficient a, Coefficient b, Coefficient q = lattice_modulus) {
  return a >= b ? a - b : a + q - b;
}
inline Coefficient multiply_mod(Coefficient a, Coefficient b, Coefficient q = lattice_modulus) {
  return static_cast<Coefficient>(static_cast<unsigned __int128>(a) * b % q);
}
Coefficient power_mod(Coefficient base, Coefficient exponent, Coefficient q = lattice_modulus);

/// The negacyclic number-theoretic transform: products of polynomials modulo X^N + 1 are products value by value
/// (Longa and Naehrig, CANS 2016, algorithms 1 and 2).
class NumberTransform {
 public:
  /// `root` is a primitive 2 `degree`-th root of unity modulo `q`, which is below 2^62; `degree` is a power of two.
  NumberTransform(std::int64_t degree, Coefficient q, Coefficient root);
  /// The transform of the lattice.
  static const NumberTransform& of_lattice();

  void forward(std::span<Coefficient> values) const;
  void inverse(std::span<Coefficient> values) const;

 private:
  // A factor w and floor(w 2^64 / q), with which a product takes two multiplications (Shoup).
  struct Factor {
    Coefficient w, quotient;
  };
  Factor factor(Coefficient w) const;
  Coefficient times(Coefficient a, const Factor& f) const;

  Coefficient q_;
  std::vector<Factor> roots_, inverse_roots_;  // powers of the root, in bit-reversed order
  Factor scale_;                               // 1 / degree
};

/// round(q m / 2^bits) for the lowest bits m of the word, so below q: sums of such multiples wrap as the words do.
Coefficient encode_word(std::uint32_t word, int bits = 32);
/// round(2^bits v / q) modulo 2^bits.
std::uint32_t decode_word(Coefficient value, int bits = 32);

/// Coefficients of keys and errors: the difference of two counts of 42 fair bits. A pair of `key` and `number` makes
/// one polynomial.
inline constexpr std::int64_t largest_error = 42;
std::vector<Coefficient> small_polynomial(const Key256& key, std::int64_t number);
/// Coefficients that are uniform in the field, by rejection.
std::vector<Coefficient> uniform_polynomial(const Key256& key, std::int64_t number,
                                            std::int64_t count = lattice_degree);

/// The largest total weight at which the errors of a sum cannot change its words.
std::int64_t most_weight(int bits = 32);

}  // namespace shoal
