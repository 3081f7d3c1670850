// Does every client's memory have one home, and does it come back as it was stored?

#include "sim/clients/memory.hpp"

#include <ATen/ops/empty.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <mutex>
#include <numeric>

#include "sim/error.hpp"

namespace shoal {
namespace {

const std::vector<MemorySlot> slots = {{"control", 3, at::kFloat}, {"personal", 2, at::kDouble}};

// (id * 0x9E3779B97F4A7C15 mod 2^64) >> 54, computed independently. Checkpoints rely on it.
TEST(ClientMemory, KeepsItsHomes) {
  const ClientMemory memory(slots, 1024, 0);  // with 1,024 ranks the home is the bucket
  const std::map<std::int64_t, int> buckets = {
      {0, 0}, {1, 632}, {2, 241}, {3, 874}, {1000, 34}, {123456789, 761}, {1000000000000, 916}};
  for (const auto& [client, bucket] : buckets) EXPECT_EQ(memory.home(ClientId{client}), bucket) << client;
}

TEST(ClientMemory, SpreadsBucketsOverTheRanks) {
  const ClientMemory buckets(slots, 1024, 0);
  for (const int ranks : {1, 2, 3, 5, 8, 2000}) {
    const ClientMemory memory(slots, ranks, 0);
    std::vector<int> clients(ranks);
    for (std::int64_t c = 0; c < 20000; ++c) {
      const int home = memory.home(ClientId{c});
      ASSERT_EQ(home, buckets.home(ClientId{c}) % ranks);
      ++clients[home];
    }
    if (ranks > 8) continue;
    for (const int n : clients) EXPECT_NEAR(n, 20000.0 / ranks, 0.05 * 20000 / ranks);
  }
}

TEST(ClientMemory, FindsSlotsByName) {
  const ClientMemory memory(slots, 1, 0);
  EXPECT_EQ(slot_of(memory.slots(), "control"), 0U);
  EXPECT_EQ(slot_of(memory.slots(), "personal"), 1U);
  EXPECT_THROW(slot_of(memory.slots(), "residual"), BrokenInvariant);
  EXPECT_FALSE(memory.empty());
  EXPECT_TRUE(ClientMemory({}, 1, 0).empty());
}

// Values that a conversion would change: signed zero, the smallest denormal, infinity, a NaN with a payload.
at::Tensor control(std::int64_t client, float salt) {
  const std::uint32_t payload = 0x7fc00000U + client % 1000;
  const float values[3] = {-0.0F, std::numeric_limits<float>::denorm_min() * (client + 1), salt};
  at::Tensor tensor = at::empty({3}, at::kFloat);
  std::memcpy(tensor.mutable_data_ptr(), values, sizeof values);
  std::memcpy(static_cast<std::byte*>(tensor.mutable_data_ptr()) + 8, &payload, salt == 0 ? 4 : 0);
  return tensor;
}

at::Tensor personal(std::int64_t client) {
  const double values[2] = {1 / (client + 3.0), -std::numeric_limits<double>::infinity()};
  at::Tensor tensor = at::empty({2}, at::kDouble);
  std::memcpy(tensor.mutable_data_ptr(), values, sizeof values);
  return tensor;
}

void expect_same_bytes(const at::Tensor& a, const at::Tensor& b) {
  ASSERT_EQ(a.defined(), b.defined());
  if (!a.defined()) return;
  ASSERT_EQ(a.scalar_type(), b.scalar_type());
  ASSERT_EQ(a.nbytes(), b.nbytes());
  EXPECT_EQ(std::memcmp(a.const_data_ptr(), b.const_data_ptr(), a.nbytes()), 0);
}

// Clients 0 to 59. Stored: control of all but multiples of 7; personal of multiples of 3; 50 and above write nothing.
ClientRecord expected(std::int64_t c) {
  ClientRecord record(2);
  if (c < 50 && c % 7 != 0) record[0] = control(c, 0);
  if (c < 50 && c % 3 == 0) record[1] = personal(c);
  return record;
}

// Deals clients 0 to 59 to the ranks, differently for each `turn`.
std::vector<std::vector<ClientId>> deal(int ranks, std::int64_t turn) {
  std::vector<std::vector<ClientId>> dealt(ranks);
  for (std::int64_t i = 0; i < 60; ++i) {
    const std::int64_t client = (i * 37 + turn) % 60;
    dealt[(client / 3 + turn) % ranks].push_back(ClientId{client});
  }
  return dealt;
}

void store(ClientMemory& memory, Communicator& comm, std::int64_t turn,
           const std::function<ClientRecord(std::int64_t)>& of) {
  std::vector<std::pair<ClientId, ClientRecord>> written;
  const auto dealt = deal(comm.size(), turn);
  for (const ClientId client : dealt[comm.rank()]) {
    const ClientRecord record = of(value(client));
    if (record[0].defined() || record[1].defined()) written.emplace_back(client, record);
  }
  memory.store(written, comm);
}

void expect_fetched(const ClientMemory& memory, Communicator& comm, std::int64_t turn,
                    const std::function<ClientRecord(std::int64_t)>& of) {
  const auto wanted = deal(comm.size(), turn);
  const std::vector<ClientId>& mine = wanted[comm.rank()];
  const std::vector<ClientRecord> fetched = memory.fetch(wanted, comm);
  ASSERT_EQ(fetched.size(), mine.size());
  for (std::size_t i = 0; i < mine.size(); ++i) {
    const ClientRecord record = of(value(mine[i]));
    for (std::size_t s = 0; s < 2; ++s) expect_same_bytes(fetched[i].at(s), record[s]);
  }
}

TEST(ClientMemory, ReturnsWhatWasStored) {
  for (const int ranks : {1, 2, 3, 5}) {
    std::mutex mutex;
    std::vector<std::int64_t> kept;
    run_on_threads(ranks, [&](Communicator& comm) {
      ClientMemory memory(slots, comm.size(), comm.rank());
      expect_fetched(memory, comm, 0, [](std::int64_t) { return ClientRecord(2); });
      store(memory, comm, 0, expected);
      for (const std::int64_t turn : {0, 1, 2}) expect_fetched(memory, comm, turn, expected);

      // A later write of one slot leaves the other as it was.
      const auto later = [](std::int64_t c) {
        ClientRecord record(2);
        if (c % 4 == 0) record[0] = control(c, 1.5F);
        return record;
      };
      store(memory, comm, 1, later);
      expect_fetched(memory, comm, 2, [&](std::int64_t c) {
        ClientRecord record = expected(c);
        if (c % 4 == 0) record[0] = later(c)[0];
        return record;
      });

      const std::lock_guard lock(mutex);
      for (const auto& [client, record] : memory.records()) {
        EXPECT_EQ(memory.home(client), comm.rank());
        kept.push_back(value(client));
      }
    });
    // Every client that has written is kept once; the others take no space.
    std::vector<std::int64_t> writers;
    for (std::int64_t c = 0; c < 60; ++c) {
      if (expected(c)[0].defined() || expected(c)[1].defined() || c % 4 == 0) writers.push_back(c);
    }
    std::ranges::sort(kept);
    EXPECT_EQ(kept, writers) << ranks << " ranks";
  }
}

}  // namespace
}  // namespace shoal
