#include "sim/secure/one_shot.hpp"

#include <fmt/core.h>

#include <algorithm>
#include <cstring>

#include "sim/error.hpp"

namespace shoal {
namespace {

Transcript transcript(std::string_view purpose, const Key256& session) {
  Transcript all(purpose);
  all.add(session);
  return all;
}

// Data that a sealed message authenticates beside the shares.
std::vector<std::uint8_t> associated(const OneShotTerms& terms, const OneShotLeaf& leaf, std::int32_t member) {
  Transcript all = transcript("one shot", terms.session);
  all.add(leaf.client).add(leaf.counter).add(leaf.ciphertext).add(leaf.model).add(leaf.weight).add(member);
  return {all.bytes().begin(), all.bytes().end()};
}

Key256 sealing_key(const OneShotTerms& terms, const Key256& secret, const Key256& other, Party client) {
  std::optional<Key256> shared = agree(secret, other);
  if (!shared) throw RefusedMessage(fmt::format("party {} sends a key of low order", client));
  const Key256 key = derive_key(*shared, transcript("one shot", terms.session).bytes());
  erase(*shared);
  return key;
}

Key256 digest_of(std::span<const Coefficient> ciphertext) {
  return Transcript("ciphertext")
      .add(std::span(reinterpret_cast<const std::uint8_t*>(ciphertext.data()), ciphertext.size_bytes()))
      .hash();
}

constexpr std::size_t word_size = 7;  // bytes of a word of 54 bits

std::vector<std::uint8_t> bytes_of(std::span<const Coefficient> words) {
  std::vector<std::uint8_t> bytes(words.size() * word_size);
  for (std::size_t i = 0; i < words.size(); ++i) std::memcpy(bytes.data() + i * word_size, &words[i], word_size);
  return bytes;
}

std::vector<Coefficient> words_of(std::span<const std::uint8_t> bytes) {
  std::vector<Coefficient> words(bytes.size() / word_size, 0);
  for (std::size_t i = 0; i < words.size(); ++i) std::memcpy(&words[i], bytes.data() + i * word_size, word_size);
  return words;
}

// The text that a decryptor signs.
std::vector<std::uint8_t> signed_text(const OneShotTerms& terms, std::int64_t round, const Key256& root) {
  Transcript all = transcript("set", terms.session);
  all.add(round).add(root);
  return {all.bytes().begin(), all.bytes().end()};
}

constexpr Nonce no_nonce{};  // every sealing key seals one message

}  // namespace

std::vector<Coefficient> public_polynomials(const OneShotTerms& terms) {
  return uniform_polynomial(transcript("public polynomials", terms.session).hash(), 0, terms.blocks * lattice_degree);
}

OneShotMessage one_shot_message(const OneShotTerms& terms, std::span<const Coefficient> polynomials,
                                const PackedShares& shares, const OneShotLeaf& leaf, const Key256& seed,
                                std::span<const std::uint32_t> words) {
  ensure(std::ssize(words) <= terms.blocks * lattice_degree, "{} words in {} blocks", words.size(), terms.blocks);
  const NumberTransform& transform = NumberTransform::of_lattice();
  const Key256 small = Transcript("key and errors").add(seed).hash();
  const std::vector<Coefficient> key = small_polynomial(small, 0);
  OneShotMessage message{.leaf = leaf, .ciphertext = std::vector<Coefficient>(terms.blocks * lattice_degree)};
  std::vector<Coefficient> transformed = key;
  transform.forward(transformed);
  for (std::int64_t j = 0; j < terms.blocks; ++j) {
    const std::size_t begin = j * lattice_degree;
    const std::span<Coefficient> block = std::span(message.ciphertext).subspan(begin, lattice_degree);
    for (std::size_t i = 0; i < block.size(); ++i) block[i] = multiply_mod(polynomials[begin + i], transformed[i]);
    transform.inverse(block);
    const std::vector<Coefficient> errors = small_polynomial(small, 1 + j);
    for (std::size_t i = 0; i < block.size(); ++i) {
      block[i] = add_mod(block[i], errors[i]);
      if (begin + i < words.size()) block[i] = add_mod(block[i], encode_word(words[begin + i], terms.bits));
    }
  }
  message.leaf.ciphertext = digest_of(message.ciphertext);
  const AgreementKeys own = agreement_keys(Transcript("agreement").add(seed).hash());
  message.open = own.open;
  const auto all = shares.share(key, Transcript("shares").add(seed).hash());
  for (std::size_t member = 0; member < all.size(); ++member) {
    message.sealed.push_back(seal(sealing_key(terms, own.secret, terms.decryptors[member], leaf.client), no_nonce,
                                  bytes_of(all[member]),
                                  associated(terms, message.leaf, static_cast<std::int32_t>(member))));
  }
  return message;
}

Key256 root_of(std::span<const OneShotLeaf> leaves) {
  Transcript all("leaves");
  all.add(std::ssize(leaves));
  for (const OneShotLeaf& leaf : leaves) {
    all.add(leaf.client).add(leaf.counter).add(leaf.ciphertext).add(leaf.model).add(leaf.weight);
  }
  return all.hash();
}

std::int64_t quorum(const Committee& committee) { return (committee.members + committee.corrupt) / 2 + 1; }

Decryptor::Decryptor(std::int32_t member, const Key256& seed)
    : member_(member),
      keys_(agreement_keys(Transcript("decryptor").add(seed).hash())),
      identity_(identity(Transcript("identity").add(seed).hash())) {}

Decryptor::~Decryptor() { erase(keys_.secret); }

Signature Decryptor::sign(std::int64_t round, const Key256& root) {
  const auto [before, first] = signed_.emplace(round, root);
  if (!first && before->second != root) {
    throw RefusedMessage(fmt::format("decryptor {} is asked to sign a second set in round {}", member_, round));
  }
  return shoal::sign(identity_, signed_text(terms_, round, root));
}

std::vector<Coefficient> Decryptor::answer(std::int64_t round, std::span<const Announced> messages,
                                           const std::map<std::int32_t, Signature>& signatures) {
  std::vector<OneShotLeaf> leaves;
  for (const Announced& message : messages) leaves.push_back(message.leaf);
  if (std::ssize(leaves) < terms_.minimum) {
    throw RefusedMessage(fmt::format("a set of {} messages ({} are the minimum)", leaves.size(), terms_.minimum));
  }
  // Weights must not single out a message: the sum then counts as one of fewer.
  double weight = 0, squares = 0;
  std::set<Key256> models;
  for (const OneShotLeaf& leaf : leaves) {
    if (leaf.weight < 1) throw RefusedMessage(fmt::format("party {} has the weight {}", leaf.client, leaf.weight));
    weight += leaf.weight;
    squares += 1.0 * leaf.weight * leaf.weight;
    models.insert(leaf.model);
  }
  if (squares * terms_.minimum > weight * weight) {
    throw RefusedMessage("the weights of the set single out some messages");
  }
  if (weight > static_cast<double>(most_weight(terms_.bits))) {
    throw RefusedMessage(fmt::format("a total weight of {} (at most {})", weight, most_weight(terms_.bits)));
  }
  if (!std::ranges::includes(models_, models)) throw RefusedMessage("a model of the set is not one that was released");
  const std::vector<std::uint8_t> text = signed_text(terms_, round, root_of(leaves));
  const auto valid = std::ranges::count_if(signatures, [&](const auto& one) {
    return one.first >= 0 && one.first < std::ssize(terms_.identities) &&
           verifies(terms_.identities[one.first], one.second, text);
  });
  if (valid < quorum(terms_.committee)) {
    throw RefusedMessage(
        fmt::format("{} decryptors have signed the set ({} are needed)", valid, quorum(terms_.committee)));
  }
  std::vector<Coefficient> sum(share_words, 0);
  std::set<std::pair<Party, std::int64_t>> serving;
  for (const Announced& message : messages) {
    const OneShotLeaf& leaf = message.leaf;
    if (served_.contains({leaf.client, leaf.counter}) || !serving.emplace(leaf.client, leaf.counter).second) {
      throw RefusedMessage(fmt::format("message {} of party {} was served before", leaf.counter, leaf.client));
    }
    const auto plain = open(sealing_key(terms_, keys_.secret, message.open, leaf.client), no_nonce, message.sealed,
                            associated(terms_, leaf, member_));
    if (!plain || plain->size() != share_words * word_size) {
      throw RefusedMessage(fmt::format("the message of party {} for decryptor {} is forged", leaf.client, member_));
    }
    const std::vector<Coefficient> words = words_of(*plain);
    for (std::size_t i = 0; i < sum.size(); ++i) {
      sum[i] = add_mod(sum[i], multiply_mod(words[i] % lattice_modulus, leaf.weight));
    }
  }
  served_.merge(serving);
  return sum;
}

void add_ciphertext(std::span<Coefficient> sum, const OneShotMessage& message) {
  ensure(sum.size() == message.ciphertext.size(), "a ciphertext of {} coefficients", message.ciphertext.size());
  const Coefficient weight = message.leaf.weight;
  for (std::size_t i = 0; i < sum.size(); ++i) {
    sum[i] = add_mod(sum[i], weight == 1 ? message.ciphertext[i] : multiply_mod(message.ciphertext[i], weight));
  }
}

std::vector<std::uint32_t> open_sum(const OneShotTerms& terms, std::span<const Coefficient> polynomials,
                                    std::span<const Coefficient> sum, std::span<const Coefficient> key) {
  const NumberTransform& transform = NumberTransform::of_lattice();
  std::vector<Coefficient> transformed(key.begin(), key.end()), block(lattice_degree);
  transform.forward(transformed);
  std::vector<std::uint32_t> words(sum.size());
  for (std::size_t begin = 0; begin < sum.size(); begin += lattice_degree) {
    for (std::size_t i = 0; i < block.size(); ++i) block[i] = multiply_mod(polynomials[begin + i], transformed[i]);
    transform.inverse(block);
    for (std::size_t i = 0; i < block.size(); ++i) {
      words[begin + i] = decode_word(subtract_mod(sum[begin + i], block[i]), terms.bits);
    }
  }
  return words;
}

std::int64_t one_shot_bytes(const Committee& committee, std::int64_t blocks) {
  constexpr std::int64_t named = party_bytes + 8 + 32 + 4 + 32;  // client, counter, model, weight, key
  const std::int64_t sealed = share_words * static_cast<std::int64_t>(word_size) + tag_size;
  return named + blocks * lattice_degree * lattice_bits / 8 + committee.members * sealed;
}

}  // namespace shoal
