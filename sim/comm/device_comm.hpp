#pragma once
// Collectives on memory of the device. Implementations: through the host's memory by the group's Communicator, and
// NCCL.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "kernels/launch.hpp"
#include "sim/comm/communicator.hpp"

namespace shoal {

/// Pointers are to device memory. Work is queued on the stream where that is possible; `wait` is the place where errors
/// of queued work show. Integer sums are the same bits whichever implementation makes them. Collective like the
/// Communicator's functions, and ordered with them: all ranks call both in one order.
class DeviceComm {
 public:
  virtual ~DeviceComm() = default;
  /// For the run's provenance: "NCCL 2.28.9" or "through the host".
  virtual std::string name() const = 0;
  /// In place.
  virtual void sum(OnDevice device, std::int64_t* values, std::size_t count) = 0;
  virtual void sum_inexact(OnDevice device, float* values, std::size_t count) = 0;
  virtual void sum_inexact(OnDevice device, double* values, std::size_t count) = 0;
  virtual void broadcast(OnDevice device, void* memory, std::size_t bytes, int root) = 0;
  /// Sends the first to_each[0] bytes at `to` to rank 0, the next to_each[1] to rank 1, and so on; what rank r sent
  /// arrives at `from`, in the order of the ranks. Every rank knows how many bytes it gets: from_each.
  virtual void exchange(OnDevice device, const std::byte* to, std::span<const std::size_t> to_each, std::byte* from,
                        std::span<const std::size_t> from_each) = 0;
  /// Waits until the stream's work is done; SystemError if a collective failed or another rank was lost.
  virtual void wait(OnDevice device) = 0;
};

/// Copies to the host, calls `comm`, copies back; waits for the stream each time. A group of one copies nothing. MPI is
/// never given device memory: whether it can take it cannot be asked reliably.
std::unique_ptr<DeviceComm> staged_device_comm(Communicator& comm);

/// Whether this build has NCCL.
bool has_nccl();
/// Collective; after use_device, with a GPU of its own for every rank: NCCL may hang otherwise.
std::unique_ptr<DeviceComm> nccl_device_comm(Communicator& comm);

/// Why device data of ranks on these GPUs (device_id of each) must go through the host; empty where NCCL can take them.
std::string why_staged(std::span<const std::string> gpu_of_rank, bool nccl);

/// Chooses how the device data of `comm` travel from now on: NCCL where it is built in and every rank has a GPU of its
/// own. Collective, after use_device. Otherwise rank 0 prints one line to stderr that says why, unless there is nobody
/// to talk to.
void connect_devices(Communicator& comm);

}  // namespace shoal
