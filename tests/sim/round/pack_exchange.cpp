// Does what travels between a server and its clients come back from bytes as it was, and is damage refused?
#include <ATen/ops/arange.h>
#include <ATen/ops/equal.h>
#include <gtest/gtest.h>

#include "sim/nn/sparse_rows.hpp"
#include "sim/round/pack_exchange.hpp"

namespace shoal {
namespace {

Rows sparse_rows() {
  SparseRows rows = SparseRows::with_room(2, 3, 10, at::TensorOptions(at::kFloat));
  for (std::int64_t k = 0; k < 2; ++k) {
    for (std::uint32_t i = 0; i < 3; ++i) {
      rows.positions_of(k)[i] = 2 * i + 1;
      rows.values_of<float>(k)[i] = 0.5F * i + k;
    }
  }
  return Rows(std::move(rows));
}

TrainedBlock block() {
  TrainedBlock block{
      .channels = {Rows(at::arange(8, at::TensorOptions(at::kFloat)).view({2, 4})), sparse_rows()},
      .figures = {{.loss = 0.1, .steps = 3, .examples = 7, .bytes_up = 9, .accepted = true, .figures = {0.5, -1}},
                  {.loss = -2, .steps = 4, .examples = 8, .rejected_examples = 1}},
      .weight = {0.25, 4},
      .written = {{at::arange(3), at::Tensor()}, {at::Tensor(), at::arange(2, at::kDouble)}},
      .groups = {2, 0}};
  return block;
}

std::vector<std::int64_t> packed(const ClientFigures& figures) {
  std::vector<std::int64_t> numbers(ClientFigures::packed_size(figures.figures.size()));
  figures.pack(numbers);
  return numbers;
}

void expect_same(const std::vector<Rows>& a, const std::vector<Rows>& b) {
  ASSERT_EQ(a.size(), b.size());
  for (std::size_t c = 0; c < a.size(); ++c) {
    EXPECT_TRUE(at::equal(a[c].dense(), b[c].dense()));
    EXPECT_EQ(a[c].sparse() == nullptr, b[c].sparse() == nullptr);
  }
}

TEST(PackExchange, ATrainedBlockComesBack) {
  const TrainedBlock before = block();
  Packer packer;
  pack(packer, before);
  Unpacker unpacker(packer.bytes(), "test");
  const TrainedBlock after = unpack_trained_block(unpacker);
  unpacker.finish();
  expect_same(before.channels, after.channels);
  EXPECT_EQ(after.weight, before.weight);
  EXPECT_EQ(after.groups, before.groups);
  ASSERT_EQ(after.figures.size(), 2U);
  for (std::size_t k = 0; k < 2; ++k) {
    EXPECT_EQ(packed(after.figures[k]), packed(before.figures[k]));
    ASSERT_EQ(after.written[k].size(), 2U);
    for (std::size_t s = 0; s < 2; ++s) {
      ASSERT_EQ(after.written[k][s].defined(), before.written[k][s].defined());
      if (before.written[k][s].defined()) {
        EXPECT_TRUE(at::equal(after.written[k][s], before.written[k][s]));
      }
    }
  }
}

TEST(PackExchange, AMessageAndAParticipationComeBack) {
  Message message{.version = Version{7}, .wire_bytes = 1234, .bytes_since = {{Version{5}, 20}, {Version{6}, 10}}};
  message.group = 4;
  message.tensors.emplace("params", at::arange(5, at::kDouble));
  message.tensors.emplace("stage/1/clip/bound", at::arange(1, at::kFloat));
  const Participation p{.id = ParticipationId{1},
                        .client = ClientId{2},
                        .version = Version{3},
                        .round = 4,
                        .start = Ticks{5},
                        .finish = Ticks{6},
                        .fraction = 0.5,
                        .outcome = Outcome::late,
                        .task = TaskId{7},
                        .group = 8,
                        .variant = 9};
  Packer packer;
  pack(packer, message);
  pack(packer, p);
  Unpacker unpacker(packer.bytes(), "test");
  const Message found = unpack_message(unpacker);
  const Participation same = unpack_participation(unpacker);
  unpacker.finish();
  EXPECT_EQ(found.version, message.version);
  EXPECT_EQ(found.group, message.group);
  EXPECT_EQ(found.wire_bytes, message.wire_bytes);
  EXPECT_EQ(found.bytes_since, message.bytes_since);
  ASSERT_EQ(found.tensors.size(), 2U);
  for (const auto& [name, tensor] : message.tensors) EXPECT_TRUE(at::equal(found.tensors.at(name), tensor)) << name;
  EXPECT_EQ(std::tuple(same.id, same.client, same.version, same.round, same.start, same.finish, same.fraction),
            std::tuple(p.id, p.client, p.version, p.round, p.start, p.finish, p.fraction));
  EXPECT_EQ(std::tuple(same.outcome, same.task, same.group, same.variant),
            std::tuple(p.outcome, p.task, p.group, p.variant));
}

TEST(PackExchange, BytesThatEndEarlyAreRefused) {
  Packer packer;
  pack(packer, block());
  const std::span<const std::byte> bytes = packer.bytes();
  for (std::size_t length = 0; length < bytes.size(); ++length) {
    Unpacker unpacker(bytes.first(length), "test");
    EXPECT_THROW(unpack_trained_block(unpacker), UserError) << length << " of " << bytes.size() << " bytes";
  }
}

TEST(PackExchange, AFalseCountIsRefusedBeforeMemoryIsTaken) {
  Packer packer;
  packer.number<std::uint64_t>(std::uint64_t{1} << 60);
  for (int form = 0; form < 2; ++form) {
    Unpacker unpacker(packer.bytes(), "test");
    if (form == 0) {
      EXPECT_THROW(unpack_trained_block(unpacker), UserError);
    } else {
      EXPECT_THROW(unpack_record(unpacker), UserError);
    }
  }
}

}  // namespace
}  // namespace shoal
