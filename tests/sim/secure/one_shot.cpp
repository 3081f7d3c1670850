// Does one message of each client give the sum of their words, and do decryptors refuse what would give more?
#include "sim/secure/one_shot.hpp"

#include <gtest/gtest.h>

#include <functional>
#include <numeric>
#include <random>

namespace shoal {
namespace {

constexpr std::int64_t values = 2500;  // two blocks, the second one padded
constexpr Committee committee{.members = 24, .corrupt = 3, .needed = 19};
const Key256 model = Transcript("model").hash();

Key256 seed_of(std::string_view who, std::int64_t number) { return Transcript(who).add(number).hash(); }

std::vector<std::uint32_t> words_of_client(Party client) {
  std::mt19937 random(client);
  std::vector<std::uint32_t> words(values);
  for (std::uint32_t& word : words) word = random();
  return words;
}

class OneShot : public testing::Test {
 protected:
  OneShot() {
    for (std::int32_t m = 0; m < committee.members; ++m) {
      decryptors_.push_back(std::make_unique<Decryptor>(m, seed_of("decryptor", m)));
      terms_.decryptors.push_back(decryptors_[m]->key());
      terms_.identities.push_back(decryptors_[m]->identity_key());
    }
    for (const auto& decryptor : decryptors_) decryptor->begin(terms_, {model});
    polynomials_ = public_polynomials(terms_);
  }

  OneShotMessage message(Party client, std::int32_t weight = 1, std::int64_t counter = 0) const {
    return one_shot_message(terms_, polynomials_, shares_,
                            {.client = client, .counter = counter, .model = model, .weight = weight},
                            seed_of("client", 1000 * counter + client), words_of_client(client));
  }
  std::vector<OneShotMessage> messages(const std::vector<std::int32_t>& weights) const {
    std::vector<OneShotMessage> all;
    for (Party client = 0; client < std::ssize(weights); ++client) all.push_back(message(client, weights[client]));
    return all;
  }
  static std::vector<Announced> announced(const std::vector<OneShotMessage>& all, std::int32_t member) {
    std::vector<Announced> to;
    for (const OneShotMessage& one : all) to.push_back({one.leaf, one.open, one.sealed[member]});
    return to;
  }
  static Key256 root(const std::vector<OneShotMessage>& all) {
    std::vector<OneShotLeaf> leaves;
    for (const OneShotMessage& one : all) leaves.push_back(one.leaf);
    return root_of(leaves);
  }
  std::map<std::int32_t, Signature> signatures(const std::vector<OneShotMessage>& all, std::int64_t round,
                                               std::int32_t signers = committee.members) {
    std::map<std::int32_t, Signature> found;
    for (std::int32_t m = 0; m < signers; ++m) found[m] = decryptors_[m]->sign(round, root(all));
    return found;
  }
  // The sum that the members from `first` on open.
  std::vector<std::uint32_t> opened(const std::vector<OneShotMessage>& all, std::int64_t round,
                                    std::int32_t first = 0) {
    std::vector<Coefficient> sum(terms_.blocks * lattice_degree, 0);
    for (const OneShotMessage& one : all) add_ciphertext(sum, one);
    std::vector<std::int32_t> from(shares_.members_needed());
    std::iota(from.begin(), from.end(), first);
    std::vector<std::vector<Coefficient>> answers;
    const auto signed_by = signatures(all, round);
    for (const std::int32_t m : from) answers.push_back(decryptors_[m]->answer(round, announced(all, m), signed_by));
    std::vector<std::uint32_t> words = open_sum(terms_, polynomials_, sum, shares_.rebuild(from, answers));
    words.resize(values);
    return words;
  }
  static std::vector<std::uint32_t> plain(const std::vector<std::int32_t>& weights) {
    std::vector<std::uint32_t> sum(values, 0);
    for (Party client = 0; client < std::ssize(weights); ++client) {
      const std::vector<std::uint32_t> words = words_of_client(client);
      for (std::size_t i = 0; i < sum.size(); ++i) sum[i] += weights[client] * words[i];
    }
    return sum;
  }

  OneShotTerms terms_{.session = Transcript("session").hash(), .committee = committee, .blocks = 2, .minimum = 3};
  std::vector<std::unique_ptr<Decryptor>> decryptors_;
  std::vector<Coefficient> polynomials_;
  PackedShares shares_{committee};
};

std::string refusal(const std::function<void()>& act) {
  try {
    act();
  } catch (const RefusedMessage& refused) {
    return refused.what();
  }
  return "";
}

// Words wrap, and any members that are enough give the same sum.
TEST_F(OneShot, GivesTheSumOfTheWords) {
  const std::vector<std::int32_t> weights(7, 1);
  EXPECT_EQ(opened(messages(weights), 1), plain(weights));
}

TEST_F(OneShot, OpensWithOtherMembers) {
  const std::vector<std::int32_t> weights(5, 1);
  EXPECT_EQ(opened(messages(weights), 1, 5), plain(weights));
}

// Messages of three ages with public weights.
TEST_F(OneShot, WeighsMessages) {
  const std::vector<std::int32_t> weights = {4, 2, 1, 4, 2};
  EXPECT_EQ(opened(messages(weights), 1), plain(weights));
}

// A key of zeros in place of the sum of the keys gives nothing near the sum of the words.
TEST_F(OneShot, NeedsTheKey) {
  const std::vector<OneShotMessage> all = messages({1, 1, 1});
  std::vector<Coefficient> sum(terms_.blocks * lattice_degree, 0);
  for (const OneShotMessage& one : all) add_ciphertext(sum, one);
  std::vector<std::uint32_t> words = open_sum(terms_, polynomials_, sum, std::vector<Coefficient>(lattice_degree, 0));
  words.resize(values);
  const std::vector<std::uint32_t> right = plain({1, 1, 1});
  int equal = 0;
  for (std::size_t i = 0; i < right.size(); ++i) equal += words[i] >> 24 == right[i] >> 24;
  EXPECT_LT(equal, 30);  // 10 of 2,500 expected by chance
}

TEST_F(OneShot, ServesAMessageOnce) {
  const std::vector<OneShotMessage> all = messages({1, 1, 1, 1}), fewer(all.begin(), all.end() - 1);
  const auto first = signatures(all, 1), second = signatures(fewer, 2);
  decryptors_[0]->answer(1, announced(all, 0), first);
  EXPECT_EQ(refusal([&] { decryptors_[0]->answer(2, announced(fewer, 0), second); }),
            "message 0 of party 0 was served before");
  std::vector<OneShotMessage> twice = messages({1, 1, 1});
  twice.push_back(twice[0]);
  EXPECT_EQ(refusal([&] { decryptors_[1]->answer(3, announced(twice, 1), signatures(twice, 3)); }),
            "message 0 of party 0 was served before");
}

TEST_F(OneShot, SignsOneSetARound) {
  const std::vector<OneShotMessage> all = messages({1, 1, 1, 1}), fewer(all.begin(), all.end() - 1);
  signatures(all, 1);
  EXPECT_EQ(refusal([&] { signatures(fewer, 1); }), "decryptor 0 is asked to sign a second set in round 1");
}

// Two sets of a quorum share more members than may be corrupt.
TEST(Quorum, SharesAnHonestMember) {
  for (std::int64_t members = 1; members <= 80; ++members) {
    for (std::int64_t corrupt = 0; corrupt < members; ++corrupt) {
      const std::int64_t signers = quorum({.members = members, .corrupt = corrupt});
      if (signers <= members) {
        EXPECT_GT(2 * signers - members, corrupt);
      }
    }
  }
}

TEST_F(OneShot, RefusesSetsThatRevealTooMuch) {
  const auto answer_of = [&](const std::vector<OneShotMessage>& all, std::int32_t signers) {
    static std::int64_t round = 10;
    ++round;
    return refusal([&] { decryptors_[0]->answer(round, announced(all, 0), signatures(all, round, signers)); });
  };
  EXPECT_EQ(answer_of(messages({1, 1}), 24), "a set of 2 messages (3 are the minimum)");
  EXPECT_EQ(answer_of(messages({1000, 1, 1, 1}), 24), "the weights of the set single out some messages");
  EXPECT_EQ(answer_of(messages({20'000, 20'000, 20'000}), 24), "a total weight of 60000 (at most 49344)");
  EXPECT_EQ(answer_of(messages({1, 1, 1}), 13), "13 decryptors have signed the set (14 are needed)");
  std::vector<OneShotMessage> other = messages({1, 1, 1});
  other[1].leaf.model = Transcript("other model").hash();
  EXPECT_EQ(answer_of(other, 24), "a model of the set is not one that was released");
  EXPECT_EQ(answer_of(messages({1, 1, 1}), 14), "");
}

TEST_F(OneShot, RefusesForgedMessages) {
  const auto forged = [&](const std::function<void(OneShotMessage&)>& change) {
    static std::int64_t round = 100;
    ++round;
    std::vector<OneShotMessage> all = messages({1, 1, 1, 1, 1});
    change(all[1]);
    return refusal([&] { decryptors_[0]->answer(round, announced(all, 0), signatures(all, round)); });
  };
  const std::string expected = "the message of party 1 for decryptor 0 is forged";
  EXPECT_EQ(forged([](OneShotMessage& m) { m.sealed[0][5] ^= std::byte{1}; }), expected);
  EXPECT_EQ(forged([](OneShotMessage& m) { m.sealed[0].pop_back(); }), expected);
  EXPECT_EQ(forged([](OneShotMessage& m) { m.leaf.weight = 2; }), expected);
  EXPECT_EQ(forged([](OneShotMessage& m) { m.leaf.counter = 7; }), expected);
  EXPECT_EQ(forged([](OneShotMessage& m) { m.leaf.ciphertext[0] ^= 1; }), expected);
  EXPECT_EQ(forged([](OneShotMessage& m) { std::swap(m.sealed[0], m.sealed[1]); }), expected);
  EXPECT_EQ(forged([](OneShotMessage& m) { m.open = {}; }), "party 1 sends a key of low order");
}

// The shares of one member are uniform for a key of zeros: chi-square over their highest bits.
TEST(PackedSharing, SaysNothingToTheCorrupt) {
  const PackedShares shares(committee);
  const std::vector<Coefficient> zeros(lattice_degree, 0);
  std::array<double, 64> bins{};
  constexpr int keys = 100;
  for (int i = 0; i < keys; ++i) {
    const auto all = shares.share(zeros, seed_of("shares", i));
    for (const Coefficient word : all[0]) bins[word >> 48] += 1;
  }
  double chi_square = 0;
  for (const double bin : bins) chi_square += (bin - 200) * (bin - 200) / 200;
  EXPECT_LT(chi_square, 114.4);  // 63 degrees of freedom, p = 1e-4
  EXPECT_GT(chi_square, 26);
}

TEST(OneShotBytes, FollowFromTheSizes) {
  // A vector of 199,210 values is 98 blocks.
  EXPECT_EQ((199'210 + lattice_degree - 1) / lattice_degree, 98);
  EXPECT_EQ(one_shot_bytes({.members = 40}, 98) - one_shot_bytes({.members = 40}, 0), 1'354'752);
  EXPECT_EQ(one_shot_bytes({.members = 40}, 0) - one_shot_bytes({}, 0), 36'480);
}

}  // namespace
}  // namespace shoal
