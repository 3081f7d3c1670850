// Does a table of numbers give what is written, or an error that names the wrong line?

#include "datasets/readers/csv.hpp"

#include "tests/datasets/readers/files.hpp"

namespace shoal {
namespace {

using namespace shoal::testing;
using readers::parse_csv;
using readers::read_csv;
using readers::Table;

const std::string small = "0,1.5,-2\n3e2, 4 ,5\r\n6,7,8\n";

TEST(Csv, ReadsNumbers) {
  const Table table = parse_csv(bytes(small), "x", 3);
  EXPECT_EQ(table.rows(), 3);
  EXPECT_EQ(table.values, (std::vector<double>{0, 1.5, -2, 300, 4, 5, 6, 7, 8}));
  EXPECT_EQ(table.row(1)[2], 5);
}

TEST(Csv, ReadsPlainAndPackedFiles) {
  const Folder folder;
  EXPECT_EQ(read_csv(folder.write("plain", bytes(small)), 3).rows(), 3);
  EXPECT_EQ(read_csv(folder.write("packed", gzip(bytes(small))), 3).rows(), 3);
}

TEST(Csv, NoticesCutFiles) {
  const Folder folder;
  for (std::size_t n = 0; n < small.size(); ++n) {
    const std::string path = folder.write("cut", prefix(bytes(small), n));
    if (n > 0 && small[n - 1] == '\n') {
      EXPECT_LT(read_csv(path, 3).rows(), 3);  // whole rows: only the source knows how many there should be
    } else {
      EXPECT_TRUE(contains(user_error_of([&] { read_csv(path, 3); }), path)) << n;
    }
  }
}

TEST(Csv, TakesAFlippedBitAsErrorOrNumber) {
  for (std::size_t bit = 0; bit < 8 * small.size(); ++bit) {
    Bytes flipped = bytes(small);
    flipped[bit / 8] ^= 1 << (bit % 8);
    try {
      EXPECT_EQ(parse_csv(flipped, "x", 3).values.size() % 3, 0U);
    } catch (const UserError& error) {
      EXPECT_EQ(std::string(error.what()).find('\n'), std::string::npos);
    }
  }
}

TEST(Csv, TakesWhatSpreadsheetsWrite) {
  const std::vector<double> values = {0, 1.5, -2, 3};
  for (const char* text : {"\xef\xbb\xbf"
                           "0,1.5\n-2,3\n",
                           "\"0\",\"1.5\"\r\n\"-2\",\"3\"\r\n", "\xef\xbb\xbf\"0\" , 1.5\n \" -2\",3\n"}) {
    EXPECT_EQ(parse_csv(bytes(text), "t.csv", 2).values, values) << text;
  }
  const auto error = [](const std::string& text) { return user_error_of([&] { parse_csv(bytes(text), "t.csv", 2); }); };
  EXPECT_TRUE(contains(error("\"1,5\",2\n"), "line 1, column 1 is '\"1'"));  // a comma between quotes
  EXPECT_TRUE(contains(error("1,\"\"\n"), "column 2 is ''"));
  EXPECT_TRUE(contains(error("1,\"\n"), "column 2 is '\"'"));
  EXPECT_TRUE(contains(error("1,\xef\xbb\xbf"
                             "2\n"),
                       "column 2 is '???2'"));  // the mark elsewhere
  EXPECT_TRUE(contains(error("\xff\xfe"
                             "1\n"),
                       "column 1 is '??1'"));  // the mark of UTF-16
}

TEST(Csv, SaysWhatIsWrongAndWhere) {
  const auto error = [](const std::string& text) { return user_error_of([&] { parse_csv(bytes(text), "t.csv", 2); }); };
  EXPECT_TRUE(contains(error(""), "file 't.csv' is empty"));
  EXPECT_TRUE(contains(error("1,2\n1\n"), "line 2 has 1 columns (expected 2)"));
  EXPECT_TRUE(contains(error("1,2,3\n"), "line 1 has 3 columns (expected 2)"));
  EXPECT_TRUE(contains(error("1,2\n\n"), "line 2, column 1 is ''"));
  EXPECT_TRUE(contains(error("a,b\n1,2\n"), "line 1, column 1 is 'a' (expected a number)"));
  EXPECT_TRUE(contains(error("1,2x\n"), "column 2 is '2x'"));
  EXPECT_TRUE(contains(error("1,nan\n"), "column 2 is 'nan'"));
  EXPECT_TRUE(contains(error("1,inf\n"), "column 2 is 'inf'"));
  EXPECT_TRUE(contains(error("1,1e999\n"), "column 2 is '1e999'"));
  EXPECT_TRUE(contains(error("1,2\n3,4"), "line 2 has no line end"));
  EXPECT_TRUE(contains(error("1,\x01\x80zzzzzzzzzzzzzzzzzzzzzzzzzz\n"), "'??zzzzzzzzzzzzzzzzzz...'"));
}

TEST(Csv, RefusesAFolder) {
  const Folder folder;
  EXPECT_TRUE(contains(user_error_of([&] { read_csv(folder.path(), 2); }), "is a directory"));
}

}  // namespace
}  // namespace shoal
