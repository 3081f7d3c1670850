#pragma once
// Collectives on device memory. Implementations: through the host's memory by the group's Communicator, and NCCL.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "kernels/launch.hpp"
#include "sim/comm/communicator.hpp"

namespace shoal {

/// Pointers are to device memory. Work is queued on the stream where that is possible; errors of queued work appear in
/// `wait`. Integer sums have the same bits in every implementation. Collective like the Communicator's functions, and
/// ordered with them: all ranks call the functions of both in the same order.
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
  /// Waits until the stream's work is done; SystemError if a collective failed or another rank has died.
  virtual void wait(OnDevice device) = 0;
};

/// Copies to the host, calls `comm`, copies back; waits for the stream each time. A group of one copies nothing. MPI
/// never gets device memory: there is no reliable way to ask whether it accepts it.
std::unique_ptr<DeviceComm> staged_device_comm(Communicator& comm);

/// Whether this build has NCCL.
bool has_nccl();
/// Collective. Call it after use_device and with a GPU of its own for every rank: otherwise NCCL may hang.
std::unique_ptr<DeviceComm> nccl_device_comm(Communicator& comm);

/// The reason why device data of ranks on these GPUs (device_id of each) go through the host; empty if NCCL can be
/// used.
std::string why_staged(std::span<const std::string> gpu_of_rank, bool nccl);

/// Chooses how the device data of `comm` travel from now on: by NCCL where it is built in and every rank has a GPU of
/// its own, otherwise through the host, and rank 0 prints the reason in one line to stderr. A group of one needs
/// neither. Collective; call it after use_device.
void connect_devices(Communicator& comm);

}  // namespace shoal
