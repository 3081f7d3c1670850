#include "sim/digest.hpp"

#include <gtest/gtest.h>

namespace shoal {
namespace {

std::span<const std::byte> bytes(std::string_view text) { return std::as_bytes(std::span(text)); }

// FIPS 180-2, appendix B.
TEST(Sha256, GivesThePublishedValues) {
  EXPECT_EQ(sha256(bytes("abc")), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(sha256({}), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  Sha256 pieces;
  pieces.add(bytes("a"));
  pieces.add({});
  pieces.add(bytes("bc"));
  EXPECT_EQ(pieces.hex(), sha256(bytes("abc")));
}

// BLAKE2b with a 16-byte digest, as `b2sum -l 128` and Python's hashlib.blake2b(digest_size=16) print it.
TEST(Digest, AgreesWithOtherImplementations) {
  EXPECT_EQ(Digest().hex(), "cae66941d9efbd404e4d88758ea67670");
  EXPECT_EQ(Digest().add("a").add("bc").hex(), "cf4ab791c62b8d2b2109c90275287816");
}

TEST(Digest, AddsNumbersAsTheirBytes) {
  EXPECT_EQ(Digest().add(std::int32_t{0x64636261}).hex(), Digest().add("abcd").hex());
}

}  // namespace
}  // namespace shoal
