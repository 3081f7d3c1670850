#pragma once
// Shared by the files that call MPI; no other room includes it.

// The C++ bindings that were removed from MPI are not used, and their headers raise warnings.
#define OMPI_SKIP_MPICXX 1
#define MPICH_SKIP_MPICXX 1
#include <mpi.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

#include "sim/comm/mailbox.hpp"

namespace shoal {

/// SystemError with MPI's text unless `code` is success.
void check_mpi(int code, const char* call);

/// Counts are ints in MPI, so larger messages go in pieces of at most this many bytes.
constexpr std::size_t mpi_piece = std::size_t{1} << 30;

/// Calls `send(first, count)` for each piece of `size` values of `width` bytes each.
template <class Send>
void in_mpi_pieces(std::size_t size, std::size_t width, const Send& send) {
  const std::size_t most = std::max<std::size_t>(mpi_piece / width, 1);
  for (std::size_t first = 0; first < size; first += most) {
    send(first, std::min(most, size - first));
  }
}

/// Collective over `group`, which it copies: see Communicator::mailbox.
std::unique_ptr<Mailbox> mpi_mailbox(MPI_Comm group, std::span<const Endpoint> endpoints, std::int64_t capacity);

}  // namespace shoal
