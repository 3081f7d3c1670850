// Rows of every form in a byte string: there and back, cut short, damaged.
#include <gtest/gtest.h>

#include <limits>

#include "sim/error.hpp"
#include "sim/nn/pack_tensor.hpp"
#include "tests/sim/nn/rows_of.hpp"

namespace shoal {
namespace {

std::vector<std::byte> packed(const Rows& rows) {
  Packer packer;
  rows.pack(packer);
  return {packer.bytes().begin(), packer.bytes().end()};
}

Rows unpacked(std::span<const std::byte> bytes) {
  Unpacker unpacker(bytes, "update");
  const Rows rows = Rows::unpack(unpacker);
  unpacker.finish();
  return rows;
}

WordRows words_of(int bits) {
  const std::int64_t most = std::numeric_limits<std::int64_t>::max() >> (64 - bits);
  const at::Tensor words =
      at::tensor({most, -most - 1, std::int64_t{0}, most / 3, -most / 3, std::int64_t{-1}}, at::kLong);
  return {words.view({2, 3}).to(bits <= 32 ? at::kInt : at::kLong), bits, 7};
}

std::vector<Rows> every_form() {
  std::vector<Rows> all;
  for (const at::ScalarType type : {at::kFloat, at::kDouble}) {
    all.emplace_back(test::normal({3, 7}, type));
    all.emplace_back(test::sparse_at({{0, 3, 9}, {}, {7}}, 10, type));
    all.emplace_back(test::factored(type));
  }
  for (const int bits : {1, 5, 8, 31, 32, 33, 63, 64}) all.emplace_back(words_of(bits));
  return all;
}

TEST(RowsPacking, BringsEveryFormBack) {
  for (const Rows& rows : every_form()) {
    const std::vector<std::byte> bytes = packed(rows);
    const Rows back = unpacked(bytes);
    EXPECT_EQ(back.type(), rows.type());
    EXPECT_TRUE(at::equal(back.dense(), rows.dense()));
    EXPECT_EQ(back.sparse() == nullptr, rows.sparse() == nullptr);
    EXPECT_EQ(back.factored() == nullptr, rows.factored() == nullptr);
    EXPECT_EQ(back.integers() == nullptr, rows.integers() == nullptr);
    EXPECT_EQ(packed(back), bytes);
    if (rows.integers() == nullptr) continue;
    EXPECT_TRUE(at::equal(back.integers()->words, rows.integers()->words));
  }
}

TEST(RowsPacking, SpendsTheDeclaredBits) {
  const WordRows words{at::zeros({4, 1001}, at::kInt), 13, 0};
  EXPECT_EQ(packed(words).size(), 1 + 4 + 4 + 8 + 8 + 8 + 4 * ((13 * 1001 + 7) / 8));
}

TEST(RowsPacking, RefusesBytesThatEndEarly) {
  for (const Rows& rows : every_form()) {
    const std::vector<std::byte> bytes = packed(rows);
    for (std::size_t size = 0; size < bytes.size(); ++size) {
      EXPECT_THROW(unpacked(std::span(bytes).first(size)), UserError) << size;
    }
  }
}

// Either the damage is in a value, or it is refused; sizes never lead outside the bytes.
TEST(RowsPacking, SurvivesDamagedBytes) {
  int refused = 0;
  for (const Rows& rows : every_form()) {
    const std::vector<std::byte> bytes = packed(rows);
    for (std::size_t place = 0; place < bytes.size(); ++place) {
      for (const int value : {0, 1, 0x7f, 0x80, 0xff}) {
        std::vector<std::byte> damaged = bytes;
        damaged[place] = static_cast<std::byte>(value);
        try {
          EXPECT_LE(unpacked(damaged).count(), 3);
        } catch (const UserError&) {
          ++refused;
        }
      }
    }
  }
  EXPECT_GT(refused, 1000);
}

TEST(RowsPacking, RefusesPartsThatDoNotFit) {
  for (const std::int32_t position : {-1, 4, 5}) {
    const std::vector<std::int64_t> starts{0, 1};
    Packer packer;  // a sparse row of five values with one entry
    packer.number<std::int8_t>(1).number<std::int64_t>(5).array(std::span<const std::int64_t>(starts));
    pack_tensor(packer, at::tensor({position}, at::kInt));
    pack_tensor(packer, at::tensor({1.0F}));
    if (position == 4) {
      EXPECT_EQ(unpacked(packer.bytes()).dense()[0][4].item<double>(), 1);
    } else {
      EXPECT_THROW(unpacked(packer.bytes()), UserError);
    }
  }
}

}  // namespace
}  // namespace shoal
