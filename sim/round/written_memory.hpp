#pragma once
// The memory that one client has written in a round, before it is stored.

#include <string_view>

#include "sim/clients/memory.hpp"
#include "sim/round/part.hpp"

namespace shoal {

/// The slots of one part in what a client has written.
class WrittenMemory {
 public:
  /// `section` is the part's. All arguments must outlive the object.
  WrittenMemory(std::span<const MemorySlot> slots, ClientRecord& record, std::string_view section)
      : slots_(slots), record_(record), section_(section) {}

  /// The values [size] of the part's own slot, on the host; undefined if the client has not written them. May be
  /// replaced by others of this size and type.
  at::Tensor& slot(std::string_view name) const { return record_[slot_of(slots_, scoped(section_, name))]; }

 private:
  std::span<const MemorySlot> slots_;
  ClientRecord& record_;
  std::string_view section_;
};

}  // namespace shoal
