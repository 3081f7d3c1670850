// Does a masked sum over any drop-outs open to the plain sum, and do the parties refuse what would break their privacy?
#include "sim/secure/masking_session.hpp"

#include <gtest/gtest.h>

#include <functional>
#include <random>
#include <set>

#include "kernels/ring.hpp"
#include "sim/secure/masking_costs.hpp"

namespace shoal {
namespace {

using Word = std::uint32_t;
constexpr std::size_t words = 37;

Key256 seed_of(Party party) { return Transcript("test seed").add(party).hash(); }

std::vector<Word> input_of(Party party) {
  std::vector<Word> values(words);
  for (std::size_t i = 0; i < words; ++i) values[i] = static_cast<Word>(party * 1'000'003 + i * i * 77'777);
  return values;
}

MaskingTerms terms_with(std::int64_t threshold, std::int64_t model = 0) {
  return {.threshold = threshold, .context = Transcript("test").add(model).hash()};
}

struct Opened {
  std::string failure;
  std::vector<Word> sum, masked;  // with and without the masks removed
};

Opened open_sum(MaskingSession& session, std::span<const Reached> reached) {
  Opened opened{.failure = session.failure(reached), .sum = std::vector<Word>(words, 0)};
  for (Party party = 0; party < session.parties(); ++party) {
    if (reached[party] < Reached::sent) continue;
    std::vector<Word> own = input_of(party);
    add_masks<Word>(own, session.masks(party, reached));
    ring_add<Word>(opened.sum, own);
  }
  opened.masked = opened.sum;
  if (!opened.failure.empty()) return opened;
  for (Party party = 0; party < session.parties(); ++party) {
    add_masks<Word>(opened.sum, session.removal(party, reached));
  }
  return opened;
}

std::vector<Word> plain_sum(std::span<const Reached> reached) {
  std::vector<Word> sum(words, 0);
  for (std::size_t party = 0; party < reached.size(); ++party) {
    if (reached[party] >= Reached::sent) ring_add<Word>(sum, input_of(static_cast<Party>(party)));
  }
  return sum;
}

// All 5^4 ways in which four parties are lost between any two steps, with everyone as neighbour.
TEST(MaskedSums, OpenUnderEveryPatternOfDropouts) {
  int opened = 0, failed = 0;
  for (int pattern = 0; pattern < 625; ++pattern) {
    std::vector<Reached> reached;
    for (int i = 0, rest = pattern; i < 4; ++i, rest /= 5) reached.push_back(static_cast<Reached>(rest % 5));
    MaskingSession session(terms_with(3), NeighbourGraph(4, 3, {1, 2}), true, seed_of);
    const Opened result = open_sum(session, reached);
    const auto answered = std::ranges::count(reached, Reached::answered);
    const bool nothing_to_open =
        std::ranges::none_of(reached, [](Reached r) { return r >= Reached::sent; });  // an empty sum
    EXPECT_EQ(result.failure.empty(), answered >= 3 || nothing_to_open) << pattern;
    if (!result.failure.empty()) {
      ++failed;
      EXPECT_NE(result.masked, plain_sum(reached));
      continue;
    }
    ++opened;
    EXPECT_EQ(result.sum, plain_sum(reached)) << pattern;
  }
  EXPECT_GT(opened, 10);
  EXPECT_GT(failed, 100);
}

TEST(MaskedSums, OpenOnGraphsOfNeighbours) {
  std::mt19937 random(7);
  int opened = 0, recovered = 0;
  for (int trial = 0; trial < 60; ++trial) {
    const std::int64_t parties = 30, degree = 8;
    std::vector<Reached> reached;
    for (std::int64_t i = 0; i < parties; ++i) {
      reached.push_back(random() % 8 != 0 ? Reached::answered : static_cast<Reached>(random() % 4));
    }
    MaskingSession session(terms_with(4), NeighbourGraph(parties, degree, {9, static_cast<std::uint32_t>(trial)}),
                           false, seed_of);
    const Opened result = open_sum(session, reached);
    if (!result.failure.empty()) continue;
    ++opened;
    recovered += std::ranges::count(reached, Reached::shared);
    EXPECT_EQ(result.sum, plain_sum(reached));
    EXPECT_NE(result.masked, plain_sum(reached));
  }
  EXPECT_GT(opened, 30);
  EXPECT_GT(recovered, 30);
}

// A server that sends one client another model gets noise: their masks do not cancel.
TEST(MaskedSums, NeedTheSameModel) {
  for (const std::int64_t other_model : {0, 1}) {
    MaskingClient a(terms_with(2), 0, seed_of(0)), b(terms_with(2, other_model), 1, seed_of(1));
    std::vector<Word> sum(words, 0);
    // Their own masks are left out, so that the pair's is all that is added.
    const std::vector<AdvertisedKeys> of_a = {a.keys()}, of_b = {b.keys()};
    add_masks<Word>(sum, std::span<const Mask>(a.masks(of_b)).subspan(1));
    add_masks<Word>(sum, std::span<const Mask>(b.masks(of_a)).subspan(1));
    EXPECT_EQ(sum == std::vector<Word>(words, 0), other_model == 0);
  }
}

std::string refusal(const std::function<void()>& act) {
  try {
    act();
  } catch (const RefusedMessage& refused) {
    return refused.what();
  }
  return "";
}

class Messages : public testing::Test {
 protected:
  MaskingTerms terms_ = terms_with(2);
  MaskingClient a_{terms_, 0, seed_of(0)}, b_{terms_, 1, seed_of(1)}, c_{terms_, 2, seed_of(2)};
};

TEST_F(Messages, AreRefusedWithTheirSender) {
  const Bytes sealed = a_.shares_for(b_.keys());
  EXPECT_EQ(refusal([&] { b_.answer(a_.keys(), sealed, true); }), "");
  AdvertisedKeys negative = b_.keys();
  negative.party = -1;
  EXPECT_EQ(refusal([&] { a_.shares_for(negative); }), "a message names a party -1");
  for (std::size_t byte = 8; byte < sealed.size(); ++byte) {
    Bytes changed = sealed;
    changed[byte] ^= std::byte{1};
    EXPECT_EQ(refusal([&] { b_.answer(a_.keys(), changed, true); }), "the shares of party 0 for party 1 are forged");
  }
  EXPECT_EQ(refusal([&] { b_.answer(c_.keys(), sealed, true); }), "party 2 sends party 1 the shares from 0 to 1");
  EXPECT_EQ(refusal([&] { c_.answer(a_.keys(), sealed, true); }), "party 0 sends party 2 the shares from 0 to 1");
  EXPECT_EQ(refusal([&] { b_.answer(a_.keys(), std::span(sealed).first(95), true); }),
            "shares of party 0 of 95 bytes (96 expected)");
  // Shares of another session.
  const MaskingClient other(terms_with(2, 1), 0, seed_of(0));
  EXPECT_EQ(refusal([&] { b_.answer(other.keys(), other.shares_for(b_.keys()), true); }),
            "the shares of party 0 for party 1 are forged");
}

TEST_F(Messages, WithKeysOfLowOrderAreRefused) {
  const AdvertisedKeys bad{.party = 5};
  EXPECT_EQ(refusal([&] { a_.masks(std::vector{bad}); }), "party 5 advertises a key of low order");
  EXPECT_EQ(refusal([&] { a_.shares_for(bad); }), "party 5 advertises a key of low order");
}

// A server that has both shares of a client can open its words alone.
TEST_F(Messages, NeverGiveBothShares) {
  const Bytes sealed = a_.shares_for(b_.keys());
  b_.answer(a_.keys(), sealed, true);
  b_.answer(a_.keys(), sealed, true);
  EXPECT_EQ(refusal([&] { b_.answer(a_.keys(), sealed, false); }),
            "the server asks party 1 for both secrets of party 0");
}

TEST_F(Messages, OfSharesAreCheckedByTheServer) {
  const auto answer_of = [&](const MaskingClient& holder) {
    return holder.answer(a_.keys(), a_.shares_for(holder.keys()), false);
  };
  MaskRemoval removal(terms_, a_.keys(), false);
  const Bytes first = answer_of(b_);
  removal.take(first);
  EXPECT_EQ(refusal([&] { removal.take(first); }), "party 1 sends its share of party 0 twice");
  EXPECT_EQ(refusal([&] { removal.take(b_.answer(c_.keys(), c_.shares_for(b_.keys()), false)); }),
            "party 1 sends a share of party 2");
  EXPECT_FALSE(removal.complete());
  Bytes wrong = answer_of(c_);
  wrong[20] ^= std::byte{1};
  removal.take(wrong);
  ASSERT_TRUE(removal.complete());
  EXPECT_EQ(refusal([&] { removal.rebuild(); }), "the shares of party 0 do not give its secret");
}

TEST(MaskingCosts, EqualTheMessages) {
  const MaskingTerms terms = terms_with(2);
  const MaskingClient a(terms, 0, seed_of(0)), b(terms, 1, seed_of(1));
  const MaskingSize size{.neighbours = 8, .holders = 8, .threshold = 4, .words = 1001, .bits = 26};
  const auto key_bytes = std::ssize(pack(a.keys()));
  EXPECT_EQ(key_costs(size).bytes_up, key_bytes);
  EXPECT_EQ(key_costs(size).bytes_down, 8 * key_bytes);
  const Bytes sealed = a.shares_for(b.keys());
  EXPECT_EQ(share_costs(size).bytes_up, 8 * std::ssize(sealed));
  EXPECT_EQ(share_costs(size).bytes_down, 8 * std::ssize(sealed));
  EXPECT_EQ(answer_costs(size).bytes_up, 8 * std::ssize(b.answer(a.keys(), sealed, true)));
  EXPECT_EQ(words_bytes(size), 4 + std::ssize(pack_words<Word>(std::vector<Word>(1001), 26)));
}

// Bell et al., with the numbers of 1000 clients of degree 78, of which 10 % are lost, against the full graph.
TEST(MaskingCosts, CountTheServersWork) {
  EXPECT_NEAR(server_expansions(1000, 0.1, 78), 7920, 1e-6);
  EXPECT_NEAR(server_expansions(1000, 0.1, 1000), 90'900, 1e-6);
}

TEST(Words, TravelInAnyNumberOfBits) {
  for (const int bits : {1, 7, 20, 26, 31, 32}) {
    const std::vector<Word> values = input_of(3);
    const Bytes message = pack_words<Word>(values, bits);
    EXPECT_EQ(std::ssize(message), (std::ssize(values) * bits + 7) / 8);
    const std::vector<Word> back = unpack_words<Word>(message, values.size(), bits);
    const Word lowest = bits == 32 ? ~Word{0} : (Word{1} << bits) - 1;
    for (std::size_t i = 0; i < values.size(); ++i) EXPECT_EQ(back[i], values[i] & lowest);
  }
}

// One client's masked words look uniform in every byte, whatever its words are; a mask that is used twice does not.
TEST(MaskedWords, AreUniform) {
  constexpr std::size_t count = 100'000;
  const NeighbourGraph graph(6, 5, {1, 1});
  MaskingSession session(terms_with(4), graph, true, seed_of);
  const std::vector<Reached> reached(6, Reached::answered);
  std::vector<Word> zeros(count, 0), largest(count, 0x3fffffff);
  add_masks<Word>(zeros, session.masks(2, reached));
  MaskingSession next_round(terms_with(4, 1), graph, true, seed_of);
  add_masks<Word>(largest, next_round.masks(2, reached));
  const auto chi_square = [](const std::vector<Word>& from, int byte) {
    std::array<double, 256> bins{};
    for (const Word word : from) bins[word >> 8 * byte & 0xff] += 1;
    double sum = 0;
    for (const double bin : bins) sum += (bin - count / 256.0) * (bin - count / 256.0) / (count / 256.0);
    return sum;
  };
  constexpr double most = 347.7;  // 255 degrees of freedom, p = 1e-4
  std::size_t equal = 0;
  for (int byte = 0; byte < 4; ++byte) {
    EXPECT_LT(chi_square(zeros, byte), most);
    EXPECT_LT(chi_square(largest, byte), most);
  }
  for (std::size_t i = 0; i < count; ++i) equal += (zeros[i] ^ largest[i]) >> 16 == 0x3fff;
  EXPECT_LT(equal, 20U);  // 1.5 expected
  // Controls: words without the highest byte, and the second round under the first one's mask.
  std::vector<Word> narrow = zeros, reused(count, 0x3fffffff);
  for (Word& word : narrow) word &= 0xffffff;
  EXPECT_GT(chi_square(narrow, 3), most);
  add_masks<Word>(reused, session.masks(2, reached));
  std::size_t constant = 0;
  for (std::size_t i = 0; i < count; ++i) constant += reused[i] - zeros[i] == 0x3fffffff;
  EXPECT_EQ(constant, count);
}

}  // namespace
}  // namespace shoal
