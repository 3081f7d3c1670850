#pragma once
// Tensors that clients keep between rounds (control variates, personal models, residuals).
//
// A client's memory lives at its home rank: ids are hashed into 1,024 buckets and the buckets are spread over the
// ranks, so that a checkpoint fits any number of ranks. Only clients that have written take space.

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "sim/comm/communicator.hpp"
#include "sim/ids.hpp"

namespace shoal {

/// One tensor that every client keeps; zeros until first written.
struct MemorySlot {
  std::string name;
  std::int64_t size;  // values per client
  at::ScalarType type = at::kFloat;
};

/// The position of the slot called `name`; there must be one.
std::size_t slot_of(std::span<const MemorySlot> slots, std::string_view name);

/// One client's memory: a flat tensor per slot, in the order of the slots; undefined means zeros.
using ClientRecord = std::vector<at::Tensor>;

/// All memory whose home is this rank, and the exchange with the ranks that train the clients.
class ClientMemory {
 public:
  ClientMemory(std::vector<MemorySlot> slots, int ranks, int rank);

  bool empty() const { return slots_.empty(); }
  const std::vector<MemorySlot>& slots() const { return slots_; }
  int home(ClientId client) const;

  /// Brings the records of the clients that each rank trains to that rank. Collective; `wanted[r]` (the same on every
  /// rank) lists rank r's clients. Returns the records of this rank's clients, in that order. Of those, only the slots
  /// at the places `only` are sent, unless it is empty.
  std::vector<ClientRecord> fetch(const std::vector<std::vector<ClientId>>& wanted, Communicator& comm,
                                  std::span<const std::size_t> only = {}) const;
  /// Sends records back to their home ranks. Collective; an undefined tensor leaves that slot as it was.
  void store(const std::vector<std::pair<ClientId, ClientRecord>>& written, Communicator& comm);

  /// Sets one slot of a client whose home this rank is.
  void set(ClientId client, std::size_t slot, at::Tensor values);

  /// Clients with memory at this rank, by id: for checkpoints and tests.
  const std::map<ClientId, ClientRecord>& records() const { return records_; }
  /// Forgets everything.
  void clear() { records_.clear(); }
  /// Restores a record of a checkpoint if this rank is its home.
  void restore(ClientId client, ClientRecord record) {
    if (home(client) == rank_) records_.insert_or_assign(client, std::move(record));
  }

 private:
  std::vector<MemorySlot> slots_;
  int ranks_, rank_;
  std::map<ClientId, ClientRecord> records_;
};

}  // namespace shoal
