// Are the primitives those of the published standards, and do they refuse what was tampered with?
#include "sim/secure/primitives.hpp"

#include <gtest/gtest.h>

#include <numeric>
#include <string>

namespace shoal {
namespace {

std::vector<std::uint8_t> hex(std::string_view text) {
  std::vector<std::uint8_t> bytes;
  for (std::size_t i = 0; i + 1 < text.size(); i += 2) {
    bytes.push_back(static_cast<std::uint8_t>(std::stoi(std::string(text.substr(i, 2)), nullptr, 16)));
  }
  return bytes;
}

Key256 key(std::string_view text) {
  const std::vector<std::uint8_t> bytes = hex(text);
  Key256 out{};
  std::copy_n(bytes.begin(), std::min(bytes.size(), out.size()), out.begin());
  return out;
}

// RFC 7748, sections 5.2 and 6.1.
TEST(Agreement, IsTheStandards) {
  EXPECT_EQ(agree(key("a546e36bf0527c9d3b16154b82465edd62144c0ac1fc5a18506a2244ba449ac4"),
                  key("e6db6867583030db3594c1a424b15f7c726624ec26b3353b10a903a6d0ab1c4c")),
            key("c3da55379de9c6908e94ea4df28d084f32eccf03491c71f754b4075577a28552"));
  const AgreementKeys alice = agreement_keys(key("77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a"));
  const AgreementKeys bob = agreement_keys(key("5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb"));
  EXPECT_EQ(alice.open, key("8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a"));
  EXPECT_EQ(bob.open, key("de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f"));
  const Key256 shared = key("4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742");
  EXPECT_EQ(agree(alice.secret, bob.open), shared);
  EXPECT_EQ(agree(bob.secret, alice.open), shared);
}

// With these points every secret gives 0: the points of low order on the curve and its twist, as listed in
// RFC 7748, section 6.1 and by Wycheproof.
TEST(Agreement, RefusesPointsOfLowOrder) {
  const Key256 secret = key("77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a");
  for (const char* point : {"0000000000000000000000000000000000000000000000000000000000000000",
                            "0100000000000000000000000000000000000000000000000000000000000000",
                            "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
                            "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
                            "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
                            "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
                            "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f"}) {
    EXPECT_EQ(agree(secret, key(point)), std::nullopt) << point;
  }
}

// RFC 5869, appendix A, cases 1 and 3.
TEST(KeyDerivation, IsTheStandards) {
  std::vector<std::uint8_t> out(42);
  const std::vector<std::uint8_t> secret(22, 0x0b);
  derive(out, secret, hex("000102030405060708090a0b0c"), hex("f0f1f2f3f4f5f6f7f8f9"));
  EXPECT_EQ(out, hex("3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865"));
  derive(out, secret, {}, {});
  EXPECT_EQ(out, hex("8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8"));
}

// RFC 8439, section 2.8.2.
TEST(Sealing, IsTheStandards) {
  const std::string text =
      "Ladies and Gentlemen of the class of '99: If I could offer you only one tip for the future, sunscreen would be "
      "it.";
  const std::vector<std::uint8_t> plain(text.begin(), text.end());
  Key256 own;
  std::iota(own.begin(), own.end(), 0x80);
  const Nonce nonce = {7, 0, 0, 0, 0x40, 0x41, 0x42, 0x43, 0x44, 0x45, 0x46, 0x47};
  const std::vector<std::uint8_t> associated = hex("50515253c0c1c2c3c4c5c6c7");
  const Bytes sealed = seal(own, nonce, plain, associated);
  ASSERT_EQ(sealed.size(), plain.size() + tag_size);
  const auto bytes = [&](std::size_t from, std::size_t count) {
    std::vector<std::uint8_t> part;
    for (std::size_t i = from; i < from + count; ++i) part.push_back(std::to_integer<std::uint8_t>(sealed[i]));
    return part;
  };
  EXPECT_EQ(bytes(0, 16), hex("d31a8d34648e60db7b86afbc53ef7ec2"));
  EXPECT_EQ(bytes(plain.size(), 16), hex("1ae10b594f09e26a7e902ecbd0600691"));
  EXPECT_EQ(open(own, nonce, sealed, associated), plain);
}

TEST(Sealing, RefusesEveryChange) {
  const Key256 own = key("01");
  const std::vector<std::uint8_t> plain = {1, 2, 3, 4, 5}, associated = {6, 7};
  const Bytes sealed = seal(own, {}, plain, associated);
  for (std::size_t bit = 0; bit < 8 * sealed.size(); ++bit) {
    Bytes changed = sealed;
    changed[bit / 8] ^= std::byte{1} << bit % 8;
    EXPECT_EQ(open(own, {}, changed, associated), std::nullopt) << "bit " << bit;
  }
  for (std::size_t size = 0; size < sealed.size(); ++size) {
    EXPECT_EQ(open(own, {}, std::span(sealed).first(size), associated), std::nullopt) << size << " bytes";
  }
  EXPECT_EQ(open(own, {}, sealed, std::vector<std::uint8_t>{6, 8}), std::nullopt);
  EXPECT_EQ(open(own, {1}, sealed, associated), std::nullopt);
  EXPECT_EQ(open(key("02"), {}, sealed, associated), std::nullopt);
  EXPECT_EQ(open(own, {}, sealed, associated), plain);
}

// RFC 8032, section 7.1, test 2.
TEST(Signatures, AreTheStandards) {
  const Identity signer = identity(key("4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb"));
  EXPECT_EQ(signer.open, key("3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c"));
  const std::vector<std::uint8_t> message = {0x72};
  const Signature signature = sign(signer, message);
  const std::vector<std::uint8_t> expected =
      hex("92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
          "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00");
  EXPECT_TRUE(std::ranges::equal(signature, expected));
  EXPECT_TRUE(verifies(signer.open, signature, message));
  EXPECT_FALSE(verifies(signer.open, signature, std::vector<std::uint8_t>{0x73}));
  EXPECT_FALSE(verifies(identity(key("01")).open, signature, message));
}

TEST(Transcripts, TellApartWhatWasAdded) {
  const std::vector<std::uint8_t> a = {1}, ab = {1, 2}, b = {2}, none;
  const auto hash = [](const auto&... parts) {
    Transcript all("test");
    (all.add(std::span<const std::uint8_t>(parts)), ...);
    return all.hash();
  };
  EXPECT_EQ(hash(ab, none), hash(ab, none));
  EXPECT_NE(hash(ab, none), hash(a, b));
  EXPECT_NE(hash(ab), hash(ab, none));
  EXPECT_NE(Transcript("test").add(1).hash(), Transcript("tess").add(1).hash());
}

}  // namespace
}  // namespace shoal
