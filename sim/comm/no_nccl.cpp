// Replaces nccl.cpp in a build without NCCL.
#include "sim/comm/device_comm.hpp"
#include "sim/error.hpp"

namespace shoal {

bool has_nccl() { return false; }

std::unique_ptr<DeviceComm> nccl_device_comm(Communicator&) {
  throw BrokenInvariant("this program was built without NCCL");
}

}  // namespace shoal
