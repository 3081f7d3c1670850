// When do device data go through the host, and do all ranks agree?
#include "sim/comm/device_comm.hpp"

#include <gtest/gtest.h>

#include "kernels/device.hpp"

namespace {

using namespace shoal;

TEST(DeviceComm, UsesNcclIfEveryRankHasAGpu) {
  EXPECT_EQ(why_staged(std::vector<std::string>{"a1", "b2", "c3"}, true), "");
  EXPECT_EQ(why_staged(std::vector<std::string>{"a1", "b2", "c3"}, false), "this program was built without NCCL");
  for (const bool nccl : {true, false}) {
    EXPECT_EQ(why_staged(std::vector<std::string>{"a1", "b2", "a1", "b2"}, nccl),
              "ranks 0 and 2 share a GPU, which NCCL refuses");
  }
}

TEST(DeviceComm, IsStagedUntilConnected) {
  EXPECT_EQ(single_rank()->device().name(), "through the host");
  if (!has_device()) GTEST_SKIP() << "no GPU was found";
  testing::internal::CaptureStderr();
  // Threads of one process share its GPU.
  run_on_threads(3, [](Communicator& comm) {
    connect_devices(comm);
    EXPECT_EQ(comm.device().name(), "through the host");
  });
  EXPECT_EQ(testing::internal::GetCapturedStderr(),
            "shoal: device data go through the host (ranks 0 and 1 share a GPU, which NCCL refuses)\n");
}

}  // namespace
