#pragma once
// One-shot secure aggregation: every client speaks once. It encrypts its words under a fresh key, with an encryption
// whose keys and ciphertexts add up, and shares the key with a committee of decryptors. The server adds ciphertexts,
// the decryptors add shares, and the sum of the keys opens the sum of the words and nothing else. The idea is that of
// OPA (Karthikeyan and Polychroniadou, arXiv 2410.22303) and Willow (Bell-Clark et al., CRYPTO 2025, eprint 2024/936).
//
// With s a key and e_j errors with small coefficients, block j of the words is sent as a_j s + e_j + E(x_j). The sum
// over clients is a_j S + (sum of errors) + E(sum of words), and the errors are too small to change a word.

#include <map>
#include <set>
#include <span>
#include <stdexcept>
#include <vector>

#include "sim/secure/masking.hpp"
#include "sim/secure/packed_shares.hpp"

namespace shoal {

/// Facts that everyone in a session agrees on.
struct OneShotTerms {
  Key256 session{};  // names the session and its round, or the committee's time in office
  Committee committee;
  std::vector<Key256> decryptors;  // their keys for agreement
  std::vector<Key256> identities;  // and for signatures
  std::int64_t blocks = 0;         // number of them, of 2048 words each
  int bits = 32;                   // width of a word
  std::int64_t minimum = 10;       // fewest messages whose sum is opened
};

/// Facts about a message that the decryptors see and that are part of what it authenticates.
struct OneShotLeaf {
  Party client = 0;
  std::int64_t counter = 0;  // number of the message among this client's; a pair is never served twice
  Key256 ciphertext{};       // digest
  Key256 model{};            // digest of the message that the client has downloaded
  std::int32_t weight = 1;   // a public factor, such as that of a staleness
};

struct OneShotMessage {
  OneShotLeaf leaf;
  Key256 open{};                        // key for agreement, of this message alone
  std::vector<Coefficient> ciphertext;  // [blocks x 2048]
  std::vector<Bytes> sealed;            // for each decryptor
};

/// The public polynomials a_j, as the transform leaves them.
std::vector<Coefficient> public_polynomials(const OneShotTerms& terms);

/// A client's only message. `seed` belongs to this message alone: a key that is used twice would reveal the difference
/// of two messages. `words` are padded with zeros.
OneShotMessage one_shot_message(const OneShotTerms& terms, std::span<const Coefficient> polynomials,
                                const PackedShares& shares, const OneShotLeaf& leaf, const Key256& seed,
                                std::span<const std::uint32_t> words);

/// A message as the server announces it to one decryptor.
struct Announced {
  OneShotLeaf leaf;
  Key256 open{};
  Bytes sealed;
};

/// The digest of a set of messages.
Key256 root_of(std::span<const OneShotLeaf> leaves);
/// Signatures that a decryptor asks for: two sets of so many signers share an honest one.
std::int64_t quorum(const Committee& committee);

class Decryptor {
 public:
  Decryptor(std::int32_t member, const Key256& seed);
  ~Decryptor();

  Key256 key() const { return keys_.open; }
  Key256 identity_key() const { return identity_.open; }
  /// Begins a session, whose terms name the keys of all decryptors, with the digests of the models that were released.
  void begin(const OneShotTerms& terms, std::set<Key256> models) { terms_ = terms, models_ = std::move(models); }

  /// Signs the set of a round or buffer; refuses to sign a second set for it.
  Signature sign(std::int64_t round, const Key256& root);
  /// The sum of its shares over the messages, as words. Throws RefusedMessage if the set is too small, its weights are
  /// too unequal or a model was not released, if too few members have signed it, or if a message was served before, is
  /// forged or was changed.
  std::vector<Coefficient> answer(std::int64_t round, std::span<const Announced> messages,
                                  const std::map<std::int32_t, Signature>& signatures);

 private:
  OneShotTerms terms_;
  std::set<Key256> models_;
  std::int32_t member_;
  AgreementKeys keys_;
  Identity identity_;
  std::map<std::int64_t, Key256> signed_;            // per round
  std::set<std::pair<Party, std::int64_t>> served_;  // messages
};

/// Adds a message's ciphertext, times its weight, to a sum modulo q.
void add_ciphertext(std::span<Coefficient> sum, const OneShotMessage& message);
/// The sum of the words, from that of the ciphertexts and the sum of the keys.
std::vector<std::uint32_t> open_sum(const OneShotTerms& terms, std::span<const Coefficient> polynomials,
                                    std::span<const Coefficient> sum, std::span<const Coefficient> key);

/// Bytes of a client's message: coefficients of 54 bits, sealed shares of 7 bytes a word, its key and what names it.
std::int64_t one_shot_bytes(const Committee& committee, std::int64_t blocks);

}  // namespace shoal
