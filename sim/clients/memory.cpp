#include "sim/clients/memory.hpp"

#include <ATen/ops/empty.h>

#include <cstring>

#include "sim/error.hpp"

namespace shoal {
namespace {

constexpr std::uint64_t bucket_count = 1024;

// A record travels as one flag byte per slot followed by the slot's values where the flag is 1.
void append(Bytes& bytes, const ClientRecord& record) {
  for (const at::Tensor& values : record) {
    bytes.push_back(std::byte{values.defined()});
    if (!values.defined()) continue;
    const auto* first = static_cast<const std::byte*>(values.const_data_ptr());
    bytes.insert(bytes.end(), first, first + values.nbytes());
  }
}

ClientRecord take(const Bytes& bytes, std::size_t& at, const std::vector<MemorySlot>& slots) {
  ClientRecord record(slots.size());
  for (std::size_t s = 0; s < slots.size(); ++s) {
    ensure(at < bytes.size(), "a client record ends early");
    if (bytes[at++] == std::byte{0}) continue;
    record[s] = at::empty({slots[s].size}, at::TensorOptions(slots[s].type));
    ensure(record[s].nbytes() <= bytes.size() - at, "a client record ends early");
    if (slots[s].size > 0) std::memcpy(record[s].mutable_data_ptr(), bytes.data() + at, record[s].nbytes());
    at += record[s].nbytes();
  }
  return record;
}

}  // namespace

ClientMemory::ClientMemory(std::vector<MemorySlot> slots, int ranks, int rank)
    : slots_(std::move(slots)), ranks_(ranks), rank_(rank) {}

std::size_t slot_of(std::span<const MemorySlot> slots, std::string_view name) {
  for (std::size_t s = 0; s < slots.size(); ++s) {
    if (slots[s].name == name) return s;
  }
  throw BrokenInvariant(fmt::format("client memory has no slot '{}'", name));
}

int ClientMemory::home(ClientId client) const {
  // Multiplicative hash of the id; the top ten bits are the bucket.
  const std::uint64_t bucket = (value(client) * 0x9E3779B97F4A7C15ULL) >> 54;
  static_assert(bucket_count == 1ULL << 10);
  return bucket % ranks_;
}

void ClientMemory::set(ClientId client, std::size_t slot, at::Tensor values) {
  ensure(home(client) == rank_, "client {} has its home elsewhere", value(client));
  ensure(values.numel() == slots_[slot].size && values.scalar_type() == slots_[slot].type,
         "memory '{}' is set to values of another size or type", slots_[slot].name);
  records_.try_emplace(client, slots_.size()).first->second[slot] = std::move(values);
}

std::vector<ClientRecord> ClientMemory::fetch(const std::vector<std::vector<ClientId>>& wanted, Communicator& comm,
                                              std::span<const std::size_t> only) const {
  // Every rank knows which records every other rank wants, so homes send without a request.
  std::vector<Bytes> to_each(wanted.size());
  const ClientRecord nothing(slots_.size());
  ClientRecord some(slots_.size());
  for (std::size_t r = 0; r < wanted.size(); ++r) {
    for (const ClientId client : wanted[r]) {
      if (home(client) != rank_) continue;
      const auto found = records_.find(client);
      const ClientRecord& whole = found == records_.end() ? nothing : found->second;
      for (const std::size_t s : only) some[s] = whole[s];
      append(to_each[r], only.empty() ? whole : some);
    }
  }
  const std::vector<Bytes> from_each = comm.exchange(to_each);
  std::vector<std::size_t> at(from_each.size(), 0);
  std::vector<ClientRecord> records;
  for (const ClientId client : wanted[rank_]) {
    const std::size_t h = home(client);
    records.push_back(take(from_each[h], at[h], slots_));
  }
  return records;
}

void ClientMemory::store(const std::vector<std::pair<ClientId, ClientRecord>>& written, Communicator& comm) {
  std::vector<Bytes> to_each(ranks_);
  for (const auto& [client, record] : written) {
    Bytes& bytes = to_each[home(client)];
    const std::int64_t id = value(client);
    const auto* first = reinterpret_cast<const std::byte*>(&id);
    bytes.insert(bytes.end(), first, first + sizeof id);
    append(bytes, record);
  }
  for (const Bytes& bytes : comm.exchange(to_each)) {
    std::size_t at = 0;
    while (at < bytes.size()) {
      std::int64_t id = 0;
      ensure(bytes.size() - at >= sizeof id, "a client record ends early");
      std::memcpy(&id, bytes.data() + at, sizeof id);
      at += sizeof id;
      ClientRecord news = take(bytes, at, slots_);
      ClientRecord& kept = records_.try_emplace(ClientId{id}, slots_.size()).first->second;
      for (std::size_t s = 0; s < slots_.size(); ++s) {
        if (news[s].defined()) kept[s] = std::move(news[s]);
      }
    }
  }
}

}  // namespace shoal
