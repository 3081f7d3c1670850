// Does a cell get the right device, and does a user who wants a missing one read why?
#include "experiments/program/device.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/sim/round/rounds.hpp"

namespace shoal {
namespace {

using ::testing::HasSubstr;

at::Device chosen(const std::string& toml, const Machine& machine) {
  return choose_device(Settings::parse(toml, "run.toml"), machine);
}

std::string refusal(const Machine& machine) {
  try {
    chosen("device = \"cuda\"", machine);
  } catch (const UserError& error) {
    return error.what();
  }
  return "";
}

constexpr Machine cpu_build{.built_for_gpus = false}, no_gpu{.built_for_gpus = true, .gpus = 0};
constexpr Machine two_gpus{.built_for_gpus = true, .gpus = 2};

TEST(ChooseDevice, TakesAGpuIfOneCanBeUsed) {
  EXPECT_TRUE(chosen("", two_gpus).is_cuda());
  EXPECT_TRUE(chosen("device = \"auto\"", two_gpus).is_cuda());
  EXPECT_TRUE(chosen("device = \"cuda\"", two_gpus).is_cuda());
  for (const Machine& machine : {cpu_build, no_gpu}) EXPECT_TRUE(chosen("", machine).is_cpu());
  for (const Machine& machine : {cpu_build, no_gpu, two_gpus})
    EXPECT_TRUE(chosen("device = \"cpu\"", machine).is_cpu());
}

TEST(ChooseDevice, SaysWhyThereIsNoGpu) {
  EXPECT_THAT(refusal(cpu_build), HasSubstr("built without CUDA). Build it with 'cmake --preset cuda'"));
  EXPECT_THAT(refusal(no_gpu), HasSubstr("no GPU was found). Run it where 'nvidia-smi -L' lists one"));
  EXPECT_EQ(refusal(two_gpus), "");
  EXPECT_THROW(chosen("device = \"gpu\"", two_gpus), UserError);
}

TEST(ChooseDevice, ComputesQuadraticsOnTheCpu) {
  EXPECT_TRUE(test::federation("task = \"quadratic\"\n").task->layout().device.is_cpu());
}

TEST(TakeDevice, AcceptsRanksOfOneKind) {
  run_on_threads(3, [](Communicator& group) { EXPECT_NO_THROW(take_device(at::kCPU, group)); });
  EXPECT_EQ(device_name(at::kCPU), "cpu");
}

}  // namespace
}  // namespace shoal
