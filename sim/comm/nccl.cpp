// Device data by NCCL: work is queued on the stream, and nothing passes through the host.
#include "sim/comm/device_comm.hpp"

#include <nccl.h>

#include <chrono>
#include <cstring>
#include <exception>
#include <thread>

#include "kernels/device.hpp"
#include "sim/error.hpp"

namespace shoal {
namespace {

void check(ncclResult_t result, const char* call) {
  if (result == ncclSuccess || result == ncclInProgress) return;
  system_error("{} failed ({}; {})", call, ncclGetErrorString(result), ncclGetLastError(nullptr));
}

cudaStream_t stream_of(OnDevice device) { return static_cast<cudaStream_t>(device.stream); }

class NcclRanks final : public DeviceComm {
 public:
  explicit NcclRanks(Communicator& comm) {
    ncclUniqueId id{};
    if (comm.rank() == 0) check(ncclGetUniqueId(&id), "ncclGetUniqueId");
    Bytes bytes(sizeof id);
    std::memcpy(bytes.data(), &id, sizeof id);
    comm.broadcast(bytes, 0);
    std::memcpy(&id, bytes.data(), sizeof id);
    check(ncclCommInitRank(&ranks_, comm.size(), id, comm.rank()), "ncclCommInitRank");
    comm.barrier();  // a collective that starts while another rank still initialises may deadlock
  }
  ~NcclRanks() override {
    // Destroying waits for the other ranks, so a rank that an exception leaves aborts instead.
    if (std::uncaught_exceptions() == 0) {
      ncclCommDestroy(ranks_);
    } else {
      ncclCommAbort(ranks_);
    }
  }
  NcclRanks(const NcclRanks&) = delete;
  NcclRanks& operator=(const NcclRanks&) = delete;

  std::string name() const override {
    int version = 0;
    check(ncclGetVersion(&version), "ncclGetVersion");
    return fmt::format("NCCL {}.{}.{}", version / 10000, version / 100 % 100, version % 100);
  }
  void sum(OnDevice device, std::int64_t* values, std::size_t count) override {
    sum_in_place(device, values, count, ncclInt64);
  }
  void sum_inexact(OnDevice device, float* values, std::size_t count) override {
    sum_in_place(device, values, count, ncclFloat32);
  }
  void sum_inexact(OnDevice device, double* values, std::size_t count) override {
    sum_in_place(device, values, count, ncclFloat64);
  }
  void broadcast(OnDevice device, void* memory, std::size_t bytes, int root) override {
    check_network();
    check(ncclBroadcast(memory, memory, bytes, ncclInt8, root, ranks_, stream_of(device)), "ncclBroadcast");
  }
  void exchange(OnDevice device, const std::byte* to, std::span<const std::size_t> to_each, std::byte* from,
                std::span<const std::size_t> from_each) override {
    check_network();
    check(ncclGroupStart(), "ncclGroupStart");
    for (std::size_t r = 0; r < to_each.size(); ++r) {
      const int rank = r;
      if (to_each[r] > 0) check(ncclSend(to, to_each[r], ncclInt8, rank, ranks_, stream_of(device)), "ncclSend");
      if (from_each[r] > 0) check(ncclRecv(from, from_each[r], ncclInt8, rank, ranks_, stream_of(device)), "ncclRecv");
      to += to_each[r];
      from += from_each[r];
    }
    check(ncclGroupEnd(), "ncclGroupEnd");
  }

  // If a rank dies, the others' kernels wait for ever: the stream is polled, so that this rank does not.
  void wait(OnDevice device) override {
    while (!is_done(device)) {
      check_network();
      std::this_thread::sleep_for(std::chrono::microseconds(20));
    }
    check_network();
  }

 private:
  void sum_in_place(OnDevice device, void* values, std::size_t count, ncclDataType_t type) {
    check_network();
    check(ncclAllReduce(values, values, count, type, ncclSum, ranks_, stream_of(device)), "ncclAllReduce");
  }
  void check_network() {
    ncclResult_t state = ncclSuccess;
    check(ncclCommGetAsyncError(ranks_, &state), "ncclCommGetAsyncError");
    check(state, "a collective on the device");
  }

  ncclComm_t ranks_ = nullptr;
};

}  // namespace

bool has_nccl() { return true; }

std::unique_ptr<DeviceComm> nccl_device_comm(Communicator& comm) { return std::make_unique<NcclRanks>(comm); }

}  // namespace shoal
