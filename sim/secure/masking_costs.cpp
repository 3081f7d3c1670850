#include "sim/secure/masking_costs.hpp"

#include "sim/secure/masking.hpp"

namespace shoal {
namespace {

// Operations of a device, which its speed is given in. An X25519 agreement takes 255 steps of 10 products of 5 limbs
// by 5, each product a multiplication and an addition of two words.
constexpr double agreement_operations = 255 * 10 * 25 * 4;
// A block of ChaCha20 has 976 operations for 64 bytes (RFC 8439, section 2.3).
constexpr double stream_operations = 976.0 / 64;
// One step of Horner's rule and its reduction.
constexpr double share_step_operations = 5;

}  // namespace

MaskingCosts key_costs(const MaskingSize& size) {
  return {.bytes_up = keys_message_bytes,
          .bytes_down = size.neighbours * keys_message_bytes,
          .operations = 2 * agreement_operations};
}

MaskingCosts share_costs(const MaskingSize& size) {
  const std::int64_t sealed = size.neighbours * sealed_shares_bytes;
  const double word_bytes = size.bits <= 32 ? 4 : 8;
  return {.bytes_up = sealed,
          .bytes_down = sealed,
          .operations = 2.0 * size.neighbours * agreement_operations +
                        2.0 * secret_limbs * size.holders * size.threshold * share_step_operations +
                        (1.0 + size.neighbours) * size.words * word_bytes * stream_operations};
}

std::int64_t words_bytes(const MaskingSize& size) { return party_bytes + (size.words * size.bits + 7) / 8; }

MaskingCosts answer_costs(const MaskingSize& size) {
  return {.bytes_up = size.holders * answer_bytes, .bytes_down = (size.holders + 7) / 8};
}

double server_expansions(double clients, double dropout, double neighbours) {
  return clients * (1 - dropout) + clients * dropout * neighbours * (1 - dropout);
}

}  // namespace shoal
