// Does a play give its speeches, or an error that names the wrong line?

#include "datasets/readers/play.hpp"

#include "tests/datasets/readers/files.hpp"

namespace shoal {
namespace {

using namespace shoal::testing;
using readers::parse_play;
using readers::read_play;
using readers::Speech;

const std::string small = "A:\nTo be, or not:\nto be.\n\nSecond B:\n\n\nA:\n'Tis so.\n";

TEST(Play, ReadsSpeeches) {
  const std::vector<Speech> got = parse_play(bytes(small), "x");
  ASSERT_EQ(got.size(), 3U);
  EXPECT_EQ(got[0].speaker, "A");
  EXPECT_EQ(got[0].text, "To be, or not:\nto be.\n");
  EXPECT_EQ(got[1].speaker, "Second B");
  EXPECT_EQ(got[1].text, "");
  EXPECT_EQ(got[2].text, "'Tis so.\n");
}

TEST(Play, ReadsPlainAndPackedFiles) {
  const Folder folder;
  EXPECT_EQ(read_play(folder.write("plain", bytes(small))).size(), 3U);
  EXPECT_EQ(read_play(folder.write("packed", gzip(bytes(small)))).size(), 3U);
}

TEST(Play, NoticesCutFiles) {
  for (std::size_t n = 0; n < small.size(); ++n) {
    const auto cut = [&] { return parse_play(prefix(bytes(small), n), "cut"); };
    if (n > 0 && small[n - 1] == '\n') {
      EXPECT_LE(cut().size(), 3U);  // whole lines: only the source knows how many there should be
    } else {
      EXPECT_TRUE(contains(user_error_of(cut), "'cut'")) << n;
    }
  }
}

TEST(Play, TakesAFlippedBitAsErrorOrText) {
  for (std::size_t bit = 0; bit < 8 * small.size(); ++bit) {
    Bytes flipped = bytes(small);
    flipped[bit / 8] ^= 1 << (bit % 8);
    try {
      EXPECT_LE(parse_play(flipped, "x").size(), 4U);
    } catch (const UserError& error) {
      EXPECT_EQ(std::string(error.what()).find('\n'), std::string::npos);
    }
  }
}

TEST(Play, SaysWhatIsWrongAndWhere) {
  const auto error = [](const std::string& text) { return user_error_of([&] { parse_play(bytes(text), "t"); }); };
  EXPECT_TRUE(contains(error(""), "file 't' is empty"));
  EXPECT_TRUE(contains(error("A:\nx\n\nand so\n"), "line 4 begins a speech without 'SPEAKER:'"));
  EXPECT_TRUE(contains(error(":\n"), "line 1 begins a speech"));
  EXPECT_TRUE(contains(error("A:\n\xc3\xa9\n"), "line 2 has a byte 195"));
  EXPECT_TRUE(contains(error("A:\nx"), "line 2 has no line end"));
}

}  // namespace
}  // namespace shoal
