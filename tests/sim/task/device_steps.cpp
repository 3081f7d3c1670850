// Does a repeated step run once per call, in order with other work, and is a batch gathered from compact storage?

#include <ATen/TensorOperators.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>
#include <gtest/gtest.h>

#include "kernels/device.hpp"
#include "sim/nn/repeated_step.hpp"
#include "sim/task/device_examples.hpp"
#include "tests/sim/round/small_federation.hpp"

namespace shoal {
namespace {

std::vector<at::Device> devices() {
  std::vector<at::Device> found{at::kCPU};
  if (gpu_count() > 0) found.emplace_back(at::kCUDA);
  return found;
}

TEST(RepeatedStep, RunsOncePerCallInOrder) {
  for (const at::Device device : devices()) {
    at::Tensor x = at::zeros({300}, at::TensorOptions(at::kDouble).device(device));
    at::Tensor rate = at::zeros({}, x.options());
    RepeatedStep step(device);
    const auto work = [&] { x.mul_(2).add_(rate); };
    double expected = 0;
    for (int call = 1; call <= 10; ++call) {
      rate.fill_(call);  // another value at the same address
      step(work);
      expected = 2 * expected + call;
      EXPECT_TRUE(at::equal(x.cpu(), at::zeros({300}, at::kDouble) + expected)) << device << ", call " << call;
      if (call == 6) {
        x.add_(1);
        expected += 1;
      }
    }
    RepeatedStep moved = std::move(step);
    moved(work);
    EXPECT_EQ(x[0].item<double>(), 2 * expected + 10) << device;
  }
}

TEST(DeviceExamples, AreGatheredFromTheirStorageType) {
  if (!has_device()) GTEST_SKIP() << "no GPU";
  const at::Device device = gpu_count() > 0 ? at::kCUDA : at::kCPU;
  Examples floats = test::random_examples({3, 2, 5}, 7, 40, 9);
  floats.form.scale = 0.25F;
  floats.form.offset = -1;
  Examples bytes = floats;
  bytes.floats.clear();
  bytes.form.features = Form::Features::bytes;
  for (std::size_t i = 0; i < floats.floats.size(); ++i) bytes.bytes.push_back(i * 37);
  const std::vector<std::int32_t> wanted{39, 0, 0, 17, 3};
  for (const Examples& from : {floats, bytes}) {
    const DeviceExamples there(DenseStore(from), device);
    std::vector<std::int32_t> positions = wanted;
    positions.push_back(-1);
    at::Tensor features = at::empty({1, 6, 30}, at::TensorOptions(at::kFloat).device(device));
    at::Tensor labels = at::empty({6}, at::TensorOptions(at::kLong).device(device));
    there.gather(at::tensor(at::ArrayRef(positions), at::kInt).to(device), features, labels);
    const at::Tensor expected = test::features(from, wanted).permute({0, 2, 3, 1}).reshape({5, 30});
    EXPECT_TRUE(at::equal(features.cpu()[0].narrow(0, 0, 5), expected));
    EXPECT_TRUE(at::equal(features.cpu()[0][5], at::zeros({30}, at::kFloat)));
    EXPECT_TRUE(at::equal(labels.cpu().narrow(0, 0, 5), test::labels(from, wanted)));
    EXPECT_EQ(labels.cpu()[5].item<std::int64_t>(), 0);
  }
}

}  // namespace
}  // namespace shoal
