#include "sim/secure/masking.hpp"

#include <fmt/core.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "sim/error.hpp"

namespace shoal {
namespace {

Key256 secret_for(const Key256& seed, std::string_view purpose) { return Transcript(purpose).add(seed).hash(); }

// The key of all masks that follow from one secret.
Key256 mask_key(const Key256& context, std::string_view kind, const Key256& secret) {
  return derive_key(secret, Transcript(kind).add(context).bytes());
}

// A key makes one key stream, so the nonce need not tell several apart.
Mask mask_of(const Key256& key, MaskSign sign) { return mask(key, Nonce{}, sign); }

// The mask that `own` adds for its pair with `other`.
Mask pair_mask(const MaskingTerms& terms, Party own, const Key256& secret, const AdvertisedKeys& other) {
  std::optional<Key256> shared = agree(secret, other.masking);
  if (!shared) throw RefusedMessage(fmt::format("party {} advertises a key of low order", other.party));
  const Key256 key = mask_key(terms.context, "pair", *shared);
  erase(*shared);
  return mask_of(key, own < other.party ? MaskSign::plus : MaskSign::minus);
}

Nonce direction(Party from, Party to) {
  Nonce nonce{};
  std::memcpy(nonce.data(), &from, sizeof from);
  std::memcpy(nonce.data() + sizeof from, &to, sizeof to);
  return nonce;
}

template <class T>
void append(Bytes& message, const T& value) {
  const auto bytes = std::as_bytes(std::span(&value, 1));
  message.insert(message.end(), bytes.begin(), bytes.end());
}

// Shares travel as big-endian words.
void append(std::vector<std::uint8_t>& to, const Limbs& share) {
  for (const std::uint32_t limb : share) {
    for (int shift = 24; shift >= 0; shift -= 8) to.push_back(static_cast<std::uint8_t>(limb >> shift));
  }
}

Limbs read_share(std::span<const std::uint8_t> bytes) {
  Limbs share{};
  for (std::size_t i = 0; i < bytes.size(); ++i) share[i / 4] = share[i / 4] << 8 | bytes[i];
  return share;
}

Party read_party(std::span<const std::byte> bytes, std::size_t at) {
  Party party = 0;
  std::memcpy(&party, bytes.data() + at, sizeof party);
  return party;
}

// Point of a party: not 0, where the secret is.
std::uint32_t point_of(Party party) {
  if (party < 0) throw RefusedMessage(fmt::format("a message names a party {}", party));
  return static_cast<std::uint32_t>(party) + 1;
}

void require_size(std::string_view what, std::span<const std::byte> message, std::int64_t size) {
  if (std::ssize(message) == size) return;
  throw RefusedMessage(fmt::format("{} of {} bytes ({} expected)", what, message.size(), size));
}

}  // namespace

Bytes pack(const AdvertisedKeys& keys) {
  Bytes message;
  append(message, keys.party);
  append(message, keys.sealing);
  append(message, keys.masking);
  return message;
}

AdvertisedKeys unpack_keys(std::span<const std::byte> message) {
  require_size("keys", message, keys_message_bytes);
  AdvertisedKeys keys{.party = read_party(message, 0)};
  std::memcpy(keys.sealing.data(), message.data() + party_bytes, keys.sealing.size());
  std::memcpy(keys.masking.data(), message.data() + party_bytes + keys.sealing.size(), keys.masking.size());
  return keys;
}

MaskingClient::MaskingClient(const MaskingTerms& terms, Party party, const Key256& seed)
    : terms_(terms),
      party_(party),
      sealing_(agreement_keys(secret_for(seed, "sealing key"))),
      masking_(agreement_keys(secret_for(seed, "masking key"))),
      seed_(secret_for(seed, "own mask")),
      shared_masking_(masking_.secret, terms.threshold, secret_for(seed, "shares of the key")),
      shared_seed_(seed_, terms.threshold, secret_for(seed, "shares of the seed")) {}

MaskingClient::~MaskingClient() {
  erase(sealing_.secret);
  erase(masking_.secret);
  erase(seed_);
}

AdvertisedKeys MaskingClient::keys() const {
  return {.party = party_, .sealing = sealing_.open, .masking = masking_.open};
}

Key256 MaskingClient::sealing_key(const AdvertisedKeys& other) const {
  std::optional<Key256> shared = agree(sealing_.secret, other.sealing);
  if (!shared) throw RefusedMessage(fmt::format("party {} advertises a key of low order", other.party));
  const Key256 key = mask_key(terms_.context, "sealing", *shared);
  erase(*shared);
  return key;
}

Bytes MaskingClient::shares_for(const AdvertisedKeys& neighbour) const {
  std::vector<std::uint8_t> plain;
  append(plain, shared_masking_.share(point_of(neighbour.party)));
  append(plain, shared_seed_.share(point_of(neighbour.party)));
  Bytes message;
  append(message, party_);
  append(message, neighbour.party);
  const Bytes sealed = seal(sealing_key(neighbour), direction(party_, neighbour.party), plain, terms_.context);
  message.insert(message.end(), sealed.begin(), sealed.end());
  erase(plain);
  return message;
}

std::vector<Mask> MaskingClient::masks(std::span<const AdvertisedKeys> peers) const {
  std::vector<Mask> all = {mask_of(mask_key(terms_.context, "own", seed_), MaskSign::plus)};
  for (const AdvertisedKeys& peer : peers) all.push_back(pair_mask(terms_, party_, masking_.secret, peer));
  return all;
}

Bytes MaskingClient::answer(const AdvertisedKeys& sender, std::span<const std::byte> sealed, bool arrived) const {
  require_size(fmt::format("shares of party {}", sender.party), sealed, sealed_shares_bytes);
  if (read_party(sealed, 0) != sender.party || read_party(sealed, party_bytes) != party_) {
    throw RefusedMessage(fmt::format("party {} sends party {} the shares from {} to {}", sender.party, party_,
                                     read_party(sealed, 0), read_party(sealed, party_bytes)));
  }
  std::optional<std::vector<std::uint8_t>> plain =
      open(sealing_key(sender), direction(sender.party, party_), sealed.subspan(2 * party_bytes), terms_.context);
  if (!plain) throw RefusedMessage(fmt::format("the shares of party {} for party {} are forged", sender.party, party_));
  {
    const std::lock_guard lock(mutex_);
    const auto [before, first] = answered_.emplace(sender.party, arrived);
    if (!first && before->second != arrived) {
      throw RefusedMessage(fmt::format("the server asks party {} for both secrets of party {}", party_, sender.party));
    }
  }
  Bytes message;
  append(message, party_);
  append(message, sender.party);
  const auto share = std::as_bytes(std::span(*plain)).subspan(arrived ? share_bytes : 0, share_bytes);
  message.insert(message.end(), share.begin(), share.end());
  erase(*plain);
  return message;
}

MaskRemoval::MaskRemoval(const MaskingTerms& terms, const AdvertisedKeys& of, bool arrived)
    : terms_(terms), of_(of), arrived_(arrived) {}

void MaskRemoval::take(std::span<const std::byte> answer) {
  require_size("an answer", answer, answer_bytes);
  const Party from = read_party(answer, 0), about = read_party(answer, party_bytes);
  if (about != of_.party) throw RefusedMessage(fmt::format("party {} sends a share of party {}", from, about));
  if (std::ranges::find(points_, point_of(from)) != points_.end()) {
    throw RefusedMessage(fmt::format("party {} sends its share of party {} twice", from, about));
  }
  if (complete()) return;
  points_.push_back(point_of(from));
  const auto share = answer.subspan(2 * party_bytes);
  shares_.push_back(read_share({reinterpret_cast<const std::uint8_t*>(share.data()), share.size()}));
}

void MaskRemoval::rebuild() {
  ensure(complete(), "{} shares of party {}, {} are needed", points_.size(), of_.party, terms_.threshold);
  const std::optional<Key256> secret = secret_of(Interpolation(points_).at_zero(shares_));
  // A mask key proves itself; a seed has no public counterpart.
  if (!secret || (!arrived_ && agreement_keys(*secret).open != of_.masking)) {
    throw RefusedMessage(fmt::format("the shares of party {} do not give its secret", of_.party));
  }
  secret_ = *secret;
}

std::vector<Mask> MaskRemoval::masks(std::span<const AdvertisedKeys> peers) const {
  if (arrived_) return {mask_of(mask_key(terms_.context, "own", secret_), MaskSign::minus)};
  // The client would have added the opposite of what each peer has added.
  std::vector<Mask> all;
  for (const AdvertisedKeys& peer : peers) all.push_back(pair_mask(terms_, of_.party, secret_, peer));
  return all;
}

template <class Word>
Bytes pack_words(std::span<const Word> words, int bits) {
  Bytes message((words.size() * bits + 7) / 8);
  for (std::size_t i = 0, at = 0; i < words.size(); ++i) {
    for (int bit = 0; bit < bits; ++bit, ++at) {
      message[at / 8] |= std::byte((words[i] >> bit & 1) << at % 8);
    }
  }
  return message;
}

template <class Word>
std::vector<Word> unpack_words(std::span<const std::byte> message, std::size_t count, int bits) {
  require_size("words", message, static_cast<std::int64_t>((count * bits + 7) / 8));
  std::vector<Word> words(count);
  for (std::size_t i = 0, at = 0; i < count; ++i) {
    for (int bit = 0; bit < bits; ++bit, ++at) {
      words[i] |= Word{std::to_integer<unsigned>(message[at / 8]) >> at % 8 & 1} << bit;
    }
  }
  return words;
}

template Bytes pack_words<std::uint32_t>(std::span<const std::uint32_t>, int);
template Bytes pack_words<std::uint64_t>(std::span<const std::uint64_t>, int);
template std::vector<std::uint32_t> unpack_words<std::uint32_t>(std::span<const std::byte>, std::size_t, int);
template std::vector<std::uint64_t> unpack_words<std::uint64_t>(std::span<const std::byte>, std::size_t, int);

}  // namespace shoal
