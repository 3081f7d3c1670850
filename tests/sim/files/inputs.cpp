// Are the files that a run reads recorded, whoever reads them, and is a changed one named?

#include "sim/files/inputs.hpp"

#include "datasets/readers/idx.hpp"
#include "sim/digest.hpp"
#include "sim/files/mapped_file.hpp"
#include "sim/files/read_file.hpp"
#include "sim/files/safetensors.hpp"
#include "tests/datasets/readers/files.hpp"

namespace shoal {
namespace {

using namespace shoal::testing;

std::string hash(const Bytes& content) { return Digest().add(std::as_bytes(std::span(content))).hex(); }

TEST(Inputs, RecordEveryReader) {
  const Folder folder;
  const Bytes images = idx(8, {1, 2, 2}, {1, 2, 3, 4}), labels = idx(8, {1}, {7});
  const std::string plain = folder.write("plain", bytes("text")), mapped = folder.write("mapped", images),
                    packed = folder.write("labels.gz", gzip(labels)), empty = folder.write("empty", {});
  const InputRecord record;
  read_file(plain);
  readers::map_idx(mapped, 3);
  readers::map_idx(packed, 1);  // finds that it is packed, and maps it only to see that
  readers::read_idx(packed, {.dimensions = 1});
  const MappedFile of_nothing(empty);
  read_file(plain);
  ASSERT_EQ(record.files().size(), 4);
  EXPECT_EQ(inputs_text(record.files()), hash(bytes("text")) + "  " + plain + "\n" + hash(images) + "  " + mapped +
                                             "\n" + hash(labels) + "  " + packed + "\n" + hash({}) + "  " + empty +
                                             "\n");
}

TEST(Inputs, RecordNothingOutside) {
  const Folder folder;
  const std::string a = folder.write("a", bytes("a")), b = folder.write("b", bytes("b"));
  read_file(a);
  const InputRecord outer;
  {
    const InputRecord inner;
    read_file(a);
    EXPECT_EQ(inner.files().size(), 1);
    EXPECT_TRUE(outer.files().empty());
  }
  read_file(b);
  ASSERT_EQ(outer.files().size(), 1);
  EXPECT_EQ(outer.files()[0].path, b);
  note_inputs({{a, "0"}});
  EXPECT_EQ(outer.files().size(), 2);
}

TEST(Inputs, ReadBackFromTheirText) {
  const InputFiles files = {{"/data/a file  with blanks", std::string(32, '0')}, {"b", std::string(32, 'f')}};
  const InputFiles again = parse_inputs(inputs_text(files));
  ASSERT_EQ(again.size(), 2);
  for (int i = 0; i < 2; ++i) {
    EXPECT_EQ(again[i].path, files[i].path);
    EXPECT_EQ(again[i].hash, files[i].hash);
  }
  EXPECT_TRUE(parse_inputs("").empty());
  EXPECT_TRUE(parse_inputs("short\n\nno hash at the beginning of this line, though it is long\n").empty());
}

TEST(Inputs, NameTheChangedFile) {
  const InputFiles before = {{"images", std::string(32, '0')}, {"labels", std::string(32, '1')}};
  EXPECT_NO_THROW(require_same_inputs(before, before, "run.h5"));
  InputFiles now = before;
  now[1].hash[31] = '2';
  const std::string changed = user_error_of([&] { require_same_inputs(before, now, "run.h5"); });
  EXPECT_TRUE(contains(changed, "run.h5: was made from other data")) << changed;
  EXPECT_TRUE(contains(changed, "'labels' has the hash " + now[1].hash)) << changed;
  now = {before[0]};
  EXPECT_TRUE(contains(user_error_of([&] { require_same_inputs(before, now, "r"); }), "'labels' is not read now"));
  now = {before[0], before[1], {"weights", ""}};
  EXPECT_TRUE(contains(user_error_of([&] { require_same_inputs(before, now, "r"); }), "'weights' is read besides"));
  // The same data in another place.
  now = before;
  now[0].path = "/elsewhere/images";
  EXPECT_NO_THROW(require_same_inputs(before, now, "run.h5"));
}

TEST(Inputs, HaveADigestOfTheirContents) {
  const InputFiles two = {{"a", "1"}, {"b", "2"}};
  EXPECT_EQ(inputs_digest(two), Digest().add("1\n2\n").hex());
  EXPECT_EQ(inputs_digest({{"c", "1"}, {"d", "2"}}), inputs_digest(two));
  EXPECT_NE(inputs_digest({{"b", "2"}, {"a", "1"}}), inputs_digest(two));
}

}  // namespace
}  // namespace shoal
