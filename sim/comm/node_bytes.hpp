#pragma once
// Bytes that the ranks of a node hold once, in shared memory. For what is not in a file as it is used, such as
// decompressed data: a mapped file is shared by the ranks of a node anyway.

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>

#include "sim/comm/communicator.hpp"

namespace shoal {

/// Read-only. They stay until the last copy of the pointer is gone, on this rank and every other one of the node.
struct NodeBytes {
  std::shared_ptr<const std::byte> begin;  // null if there are none
  std::size_t size = 0;
  std::span<const std::byte> all() const { return {begin.get(), size}; }
};

/// Appends bytes.
using WriteBytes = std::function<void(std::span<const std::byte>)>;

/// Collective. `make` is called on one rank of each node (rank 0 of `comm.node()`) and writes the bytes; all ranks of
/// the node get them. What it throws is thrown on its rank alone, as from any function that calls collectives.
NodeBytes hold_on_node(Communicator& comm, const std::function<void(const WriteBytes& write)>& make);

}  // namespace shoal
