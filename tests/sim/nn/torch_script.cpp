// Modules from files of TorchScript: layout, scores, gradients, and what is refused.
#include "sim/nn/torch_script.hpp"

#include <ATen/ATen.h>
#include <gtest/gtest.h>
#include <torch/csrc/jit/api/module.h>

#include <filesystem>
#include <fstream>

namespace shoal {
namespace {

const Form images{.shape = {2, 3, 3}, .classes = 4};

class Script : public ::testing::Test {
 protected:
  void SetUp() override { std::filesystem::create_directories(folder_); }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  // A module with a weight, a bias and a buffer; `body` is its method forward.
  std::string saved(const std::string& body, bool with_double = false) const {
    torch::jit::Module module("net");
    module.register_attribute("training", c10::BoolType::get(), true);
    module.register_parameter("weight", at::sin(at::arange(72, at::kFloat)).view({4, 18}), false);
    module.register_parameter("bias", at::ones({4}, with_double ? at::kDouble : at::kFloat), false);
    module.register_buffer("seen", at::zeros({1}));
    module.register_buffer("calls", at::zeros({1}, at::kLong));
    module.define("def forward(self, x):\n" + body);
    const std::string path = (folder_ / "net.pt").string();
    module.save(path);
    return path;
  }
  std::string path(const std::string& name) const { return (folder_ / name).string(); }

  const std::string dense_ =
      "  if self.training:\n"
      "    self.seen.add_(x.size(0))\n"
      "  return torch.linear(x.flatten(1), self.weight, self.bias)\n";

 private:
  std::filesystem::path folder_ = std::filesystem::temp_directory_path() / ("shoal_script_" + std::to_string(getpid()));
};

TEST_F(Script, TrainsEachClientAlone) {
  const auto model = torch_script(saved(dense_), images, at::kCPU);
  EXPECT_EQ(model->layout().names(), (std::vector<std::string>{"weight", "bias", "seen"}));
  EXPECT_EQ(model->layout().ranges(Role::buffer), (std::vector<Range>{{76, 1}}));
  const at::Tensor start = model->initial_parameters({});
  EXPECT_TRUE(at::equal(start.narrow(0, 0, 72), at::sin(at::arange(72, at::kFloat))));
  EXPECT_TRUE(at::equal(start.narrow(0, 72, 5), at::tensor({1.0F, 1.0F, 1.0F, 1.0F, 0.0F})));

  for (const std::int64_t clients : {1, 8}) {
    const auto worker = model->worker(clients, at::kCPU);
    const at::Tensor factors = at::arange(1, clients + 1).unsqueeze(1);
    worker->rows().values.copy_(start * factors);
    std::vector<Gathered> batches(clients);
    for (std::int64_t k = 0; k < clients; ++k)
      batches[k].features = at::cos(at::arange(90, at::kFloat) + k).view({5, 3, 3, 2});
    for (int call = 0; call < 3; ++call) {  // later calls must not be optimized into other bits
      const at::Tensor scores = worker->forward(batches, clients).scores.clone();
      const at::Tensor g = at::sin(at::arange(clients * 20, at::kFloat)).view({clients, 5, 4});
      worker->backward({.scores = g, .features = {}}, GradientUse::store());
      for (std::int64_t k = 0; k < clients; ++k) {
        const at::Tensor x = batches[k].features.permute({0, 3, 1, 2}).flatten(1), row = worker->rows().gradients[k];
        const at::Tensor weight = (start * (k + 1)).narrow(0, 0, 72).view({4, 18});
        EXPECT_TRUE(at::equal(scores[k], at::linear(x, weight, at::full({4}, k + 1.0F))));
        EXPECT_TRUE(at::allclose(row.narrow(0, 0, 72).view({4, 18}), at::matmul(g[k].t(), x), 1e-5, 1e-5));
        EXPECT_TRUE(at::allclose(row.narrow(0, 72, 4), g[k].sum(0), 1e-5, 1e-5));
        EXPECT_EQ(worker->rows().values[k][76].item<float>(), 5.0F * (call + 1));
        EXPECT_EQ(row[76].item<float>(), 0);
      }
    }
    const at::Tensor before = worker->rows().values.clone();
    worker->evaluate(batches, clients);
    EXPECT_TRUE(at::equal(worker->rows().values, before));
    worker->forward(batches, clients);
    worker->backward({.scores = at::ones({clients, 5, 4}), .features = {}}, GradientUse::descend(0.5));
    EXPECT_TRUE(at::allclose(worker->rows().values.narrow(1, 72, 4), before.narrow(1, 72, 4) - 2.5));
  }
}

TEST_F(Script, RefusesWhatCannotBeTrained) {
  const auto build = [](const std::string& file) { torch_script(file, images, at::kCPU); };
  EXPECT_THROW(build(path("none.pt")), UserError);
  std::ofstream(path("text.pt")) << "no module";
  EXPECT_THROW(build(path("text.pt")), UserError);
  EXPECT_THROW(build(saved("  return torch.linear(torch.dropout(x.flatten(1), 0.5, True), self.weight, self.bias)\n")),
               UserError);
  EXPECT_THROW(build(saved("  return x.flatten(1)\n")), UserError);                             // 18 scores
  EXPECT_THROW(build(saved("  return torch.linear(x, self.weight, self.bias)\n")), UserError);  // not flattened
  EXPECT_THROW(build(saved(dense_, /*with_double=*/true)), UserError);
}

}  // namespace
}  // namespace shoal
