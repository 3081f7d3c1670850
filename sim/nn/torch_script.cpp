#include "sim/nn/torch_script.hpp"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/zeros.h>
#include <torch/csrc/jit/api/module.h>
#include <torch/csrc/jit/passes/inliner.h>
#include <torch/csrc/jit/runtime/graph_executor.h>
#include <torch/csrc/jit/serialization/import.h>

#include <mutex>
#include <sstream>

#include "sim/files/read_file.hpp"
#include "sim/nn/autograd.hpp"

namespace shoal {
namespace {

using torch::jit::Module;

// Parameters, then buffers of floats, with their names.
struct Named {
  std::string name;
  at::Tensor tensor;
  Role role;
};

std::vector<Named> tensors_of(const Module& module) {
  std::vector<Named> all;
  for (const auto& p : module.named_parameters()) all.push_back({p.name, p.value, Role::shared});
  for (const auto& b : module.named_buffers()) {
    if (b.value.is_floating_point()) all.push_back({b.name, b.value, Role::buffer});
  }
  return all;
}

const torch::jit::Node* random_node(const torch::jit::Block& block) {
  for (const torch::jit::Node* node : block.nodes()) {
    if (node->isNondeterministic()) return node;
    for (const torch::jit::Block* inner : node->blocks()) {
      if (const torch::jit::Node* found = random_node(*inner)) return found;
    }
  }
  return nullptr;
}

// The first line of what LibTorch says of a failure: stack traces follow.
std::string first_line(const std::exception& failure) {
  const std::string all = failure.what();
  return all.substr(0, all.find('\n'));
}

at::Tensor as_pytorch(const Gathered& batch, const Form& form) {
  if (form.features == Form::Features::tokens) return batch.features;
  const Shape& s = form.shape;
  if (s.height * s.width == 1) return batch.features.reshape({batch.features.size(0), s.channels});
  return batch.features.reshape({batch.features.size(0), s.height, s.width, s.channels}).permute({0, 3, 1, 2});
}

Outputs run(Module& module, const Gathered& batch, const Form& form) {
  // Optimized graphs differ in rounding, and when they come depends on the number of calls.
  const torch::jit::GraphOptimizerEnabledGuard as_written(false);
  const c10::IValue result = module.forward({as_pytorch(batch, form)});
  if (result.isTensor()) return {.scores = result.toTensor(), .features = {}};
  const auto& pair = result.toTupleRef().elements();
  return {.scores = pair.at(0).toTensor(), .features = pair.at(1).toTensor()};
}

class ScriptWorker final : public Worker {
 public:
  ScriptWorker(const Module& module, const Form& form, const ParameterLayout& layout, std::int64_t clients,
               at::Device device)
      : form_(form), rows_(clients, layout.size, device) {
    for (std::int64_t k = 0; k < clients; ++k) {
      // Without a device: the copy for a device shares the tensors that are there already.
      Client client{.module = module.deepcopy(), .leaves = {}, .values = {}, .gradients = {}};
      if (!device.is_cpu()) client.module.to(device);
      std::size_t i = 0;
      for (Named& own : tensors_of(client.module)) {
        const Parameter& p = layout.parameters[i++];
        const at::Tensor value = view_parameter(rows_.values, p).select(0, k);
        own.tensor.set_data(value.detach());  // the module's tensor now is the memory of the row
        if (own.role == Role::buffer) continue;
        client.leaves.push_back(own.tensor.requires_grad_(true));
        client.values.push_back(value);
        client.gradients.push_back(view_parameter(rows_.gradients, p).select(0, k));
      }
      clients_.push_back(std::move(client));
    }
  }

  ParameterRows& rows() override { return rows_; }

  Outputs forward(std::span<const Gathered> batches, std::int64_t active) override {
    const at::AutoGradMode with_autograd(true);
    return run_all(batches, active, Pass::training);
  }
  Outputs evaluate(std::span<const Gathered> batches, std::int64_t active) override {
    const at::NoGradGuard no_autograd;
    return run_all(batches, active, Pass::evaluation);
  }
  void backward(const Outputs& gradients, const GradientUse& use) override {
    for (std::size_t k = 0; k < outputs_.size(); ++k) {
      const Client& client = clients_[k];
      const bool on_parameters = use.target == GradientUse::Target::parameters;
      shoal::backward(outputs_[k], gradients, k, client.leaves, on_parameters ? client.values : client.gradients, use);
    }
    outputs_.clear();
  }

 private:
  struct Client {
    Module module;
    std::vector<at::Tensor> leaves, values, gradients;
  };

  Outputs run_all(std::span<const Gathered> batches, std::int64_t active, Pass pass) {
    outputs_.clear();
    for (std::int64_t k = 0; k < active; ++k) {
      clients_[k].module.train(pass == Pass::training);
      outputs_.push_back(run(clients_[k].module, batches[k], form_));
    }
    return stacked(outputs_);
  }

  Form form_;
  ParameterRows rows_;
  std::vector<Client> clients_;
  std::vector<Outputs> outputs_;
};

class TorchScript final : public Learnable {
 public:
  TorchScript(const std::string& path, const Form& form, at::Device device, double forward_flops) : form_(form) {
    std::istringstream file(read_file(path));
    try {
      module_ = torch::jit::load(file, at::kCPU);
    } catch (const std::exception& failure) {
      user_error("{} holds no TorchScript module ({}). Check the path, or write it with torch.jit.save.", path,
                 first_line(failure));
    }
    if (!module_.find_method("forward")) user_error("the module in {} has no method forward. Add one.", path);
    layout_.device = device;
    for (const Named& own : tensors_of(module_)) {
      if (own.tensor.scalar_type() != at::kFloat) {
        user_error("tensor {} of the module in {} is {}. Save the module as float32.", own.name, path,
                   c10::toString(own.tensor.scalar_type()));
      }
      layout_.add(own.name, own.tensor.sizes().vec(), own.role);
    }
    module_.train(true);
    refuse_random_numbers(path);
    flops_ = forward_flops > 0 ? forward_flops : 2.0 * layout_.size;
    try_out(path);
  }

  const Form& form() const override { return form_; }
  const ParameterLayout& layout() const override { return layout_; }
  at::Tensor initial_parameters(RandomKey) const override {
    const at::NoGradGuard no_autograd;
    at::Tensor out = at::zeros({layout_.size}, at::kFloat);
    std::size_t i = 0;
    for (const Named& own : tensors_of(module_)) {
      const Parameter& p = layout_.parameters[i++];
      out.narrow(0, p.offset, p.size).copy_(own.tensor.reshape({-1}));
    }
    return out.to(layout_.device);
  }
  double flops_per_example() const override { return 3 * flops_; }
  std::unique_ptr<Worker> worker(std::int64_t clients, at::Device device) const override {
    const std::scoped_lock lock(copying_);  // a copy of a module reads and writes what modules share
    return std::make_unique<ScriptWorker>(module_, form_, layout_, clients, device);
  }

 private:
  void refuse_random_numbers(const std::string& path) const {
    const std::shared_ptr<torch::jit::Graph> graph = module_.get_method("forward").graph()->copy();
    torch::jit::Inline(*graph);
    const torch::jit::Node* found = random_node(*graph->block());
    if (found != nullptr) {
      user_error("the module in {} draws random numbers ({}), which no seed could repeat. Leave that operation out.",
                 path, found->kind().toUnqualString());
    }
  }

  void try_out(const std::string& path) {
    constexpr std::int64_t examples = 2, tokens = 3;
    const bool sequences = form_.features == Form::Features::tokens;
    Gathered batch;
    batch.features = sequences ? at::zeros({examples, tokens}, at::kLong)
                               : at::zeros({examples, form_.shape.height, form_.shape.width, form_.shape.channels});
    std::vector<std::int64_t> wanted{examples, score_count(form_)};
    if (form_.targets == Form::Targets::tokens) wanted.insert(wanted.begin() + 1, tokens);
    at::Tensor scores;
    try {
      const at::NoGradGuard no_autograd;
      Module copy = module_.deepcopy();
      copy.train(false);
      scores = run(copy, batch, form_).scores;
    } catch (const std::exception& failure) {
      user_error("the module in {} fails on examples of this form ({}). Make it take {} values each.", path,
                 first_line(failure), sequences ? tokens : form_.shape.size());
    }
    if (scores.sizes() != at::IntArrayRef(wanted)) {
      user_error("the module in {} gives {} values for {} examples (expected {} each). Change its last layer.", path,
                 scores.numel(), examples, wanted.back());
    }
  }

  Form form_;
  Module module_;
  ParameterLayout layout_;
  double flops_ = 0;
  mutable std::mutex copying_;
};

}  // namespace

std::shared_ptr<const Learnable> torch_script(const std::string& path, const Form& form, at::Device device,
                                              double forward_flops) {
  return std::make_shared<TorchScript>(path, form, device, forward_flops);
}

}  // namespace shoal
