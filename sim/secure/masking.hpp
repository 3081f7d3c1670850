#pragma once
// The parties of a masked sum: Bonawitz et al., CCS 2017 (figure 4), and on a graph of neighbours Bell et al., CCS
// 2020.
//
// Each client advertises two public keys; sends every neighbour a sealed share of its secret mask key and of a seed;
// adds to its words a mask from the seed and, with every neighbour, a mask that the neighbour subtracts; and at the end
// gives for every neighbour one share: of the seed, if the neighbour's words have arrived, or of the mask key, if they
// have not. The server rebuilds these secrets and removes what is left of the masks. Clients and the server know
// nothing of each other but the byte strings that these functions return and take.

#include <cstdint>
#include <map>
#include <mutex>
#include <span>
#include <stdexcept>
#include <vector>

#include "kernels/mask.hpp"
#include "sim/comm/bytes.hpp"
#include "sim/secure/primitives.hpp"
#include "sim/secure/shamir.hpp"

namespace shoal {

/// A party's number in the session, from 0.
using Party = std::int32_t;

/// Facts that all parties of a session agree on.
struct MaskingTerms {
  std::int64_t threshold = 2;  // shares that rebuild a secret
  /// Names the session, its round, its cohort and the model that the party has downloaded. It enters every key: masks
  /// of clients that were told different things do not cancel.
  Key256 context{};
};

/// A message that a party refuses. The text names its sender where the message does.
struct RefusedMessage : std::runtime_error {
  using std::runtime_error::runtime_error;
};

struct AdvertisedKeys {
  Party party = 0;
  Key256 sealing{}, masking{};  // keys that seal shares, and that make masks
};
Bytes pack(const AdvertisedKeys& keys);
AdvertisedKeys unpack_keys(std::span<const std::byte> message);

// Sizes of messages in bytes.
inline constexpr std::int64_t party_bytes = 4;
inline constexpr std::int64_t share_bytes = 4 * secret_limbs;
inline constexpr std::int64_t keys_message_bytes = party_bytes + 2 * 32;
inline constexpr std::int64_t sealed_shares_bytes = 2 * party_bytes + 2 * share_bytes + tag_size;
inline constexpr std::int64_t answer_bytes = 2 * party_bytes + share_bytes;

class MaskingClient {
 public:
  /// All secrets follow from `seed`, which belongs to this party and session alone.
  MaskingClient(const MaskingTerms& terms, Party party, const Key256& seed);
  ~MaskingClient();
  MaskingClient(const MaskingClient&) = delete;

  AdvertisedKeys keys() const;
  /// The sealed shares of its two secrets for a neighbour, or for itself.
  Bytes shares_for(const AdvertisedKeys& neighbour) const;
  /// The masks of its words: its own, and those with `peers`, the neighbours that have sent it shares.
  std::vector<Mask> masks(std::span<const AdvertisedKeys> peers) const;
  /// The share that the server needs of the sender of `sealed`: of its seed if its words have arrived, otherwise of its
  /// mask key. Never both: it refuses to answer once more with the other one. Safe to call from several threads.
  Bytes answer(const AdvertisedKeys& sender, std::span<const std::byte> sealed, bool arrived) const;

 private:
  Key256 sealing_key(const AdvertisedKeys& other) const;

  MaskingTerms terms_;
  Party party_;
  AgreementKeys sealing_, masking_;
  Key256 seed_;
  SharedSecret shared_masking_, shared_seed_;
  mutable std::mutex mutex_;
  mutable std::map<Party, bool> answered_;  // for whom, and whether its words had arrived
};

/// The server's part, for one client whose masks are left in the sum.
class MaskRemoval {
 public:
  MaskRemoval(const MaskingTerms& terms, const AdvertisedKeys& of, bool arrived);
  /// Takes the answer of a neighbour; those beyond the threshold are not used.
  void take(std::span<const std::byte> answer);
  bool complete() const { return std::ssize(points_) >= terms_.threshold; }
  /// Rebuilds the secret. Throws RefusedMessage if the shares are not those of one.
  void rebuild();
  /// The masks that remove what is left of this client in the sum: its own, or those that `peers`, its neighbours whose
  /// words have arrived, share with it.
  std::vector<Mask> masks(std::span<const AdvertisedKeys> peers) const;

 private:
  MaskingTerms terms_;
  AdvertisedKeys of_;
  bool arrived_;
  std::vector<std::uint32_t> points_;
  std::vector<Limbs> shares_;
  Key256 secret_{};
};

/// `words` as a message: the lowest `bits` bits of each, one after the other, with zeros up to a whole byte.
template <class Word>
Bytes pack_words(std::span<const Word> words, int bits);
template <class Word>
std::vector<Word> unpack_words(std::span<const std::byte> message, std::size_t count, int bits);

}  // namespace shoal
