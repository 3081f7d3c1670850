// Do many words at once equal the blocks one by one?
#include "kernels/philox_stream.hpp"

#include <gtest/gtest.h>

#include <vector>

namespace {

TEST(PhiloxStream, GivesTheWordsOfItsBlocks) {
  const shoal::PhiloxStream stream{.key = {{0xa4093822, 0x299f31d0}}, .row = {0x243f6a88, 0x85a308d3, 0x13198a2e}};
  // Random123's known answer: the stream's block 0x03707344.
  EXPECT_EQ(stream.block(0x03707344), (shoal::PhiloxBlock{{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}}));
  for (const std::int64_t first :
       {std::int64_t{0}, std::int64_t{1}, std::int64_t{0x03707344}, (std::int64_t{1} << 32) - 30})
    for (const std::size_t n : {0, 1, 4, 15, 16, 17, 31, 117}) {
      std::vector<std::uint32_t> words(n);
      shoal::philox_words(words, stream, first);
      for (std::size_t i = 0; i < n; ++i) ASSERT_EQ(words[i], stream.block(first + i / 4)[i % 4]);
    }
}

}  // namespace
