#include "sim/nn/autograd.hpp"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/zeros.h>
#include <ATen/ops/zeros_like.h>
#include <torch/csrc/autograd/autograd.h>

namespace shoal {
namespace {

class AutogradWorker final : public Worker {
 public:
  AutogradWorker(std::shared_ptr<const TensorModel> model, const ParameterLayout& layout, std::int64_t clients,
                 at::Device device)
      : model_(std::move(model)), rows_(clients, layout.size, device), clients_(clients) {
    for (std::int64_t k = 0; k < clients; ++k) {
      for (const Parameter& p : layout.parameters) {
        const auto own = [&](const at::Tensor& of) { return view_parameter(of, p).select(0, k); };
        at::Tensor value = own(rows_.values).variable_data();  // may be changed while other clients keep their graphs
        clients_[k].parameters.push_back(value);
        if (p.role == Role::buffer) continue;
        clients_[k].leaves.push_back(value.set_requires_grad(true));
        clients_[k].values.push_back(own(rows_.values));
        clients_[k].gradients.push_back(own(rows_.gradients));
      }
    }
  }

  ParameterRows& rows() override { return rows_; }

  Outputs forward(std::span<const Gathered> batches, std::int64_t active) override {
    const at::AutoGradMode with_autograd(true);
    return run(batches, active, Pass::training);
  }
  Outputs evaluate(std::span<const Gathered> batches, std::int64_t active) override {
    const at::NoGradGuard no_autograd;
    return run(batches, active, Pass::evaluation);
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
    std::vector<at::Tensor> parameters, leaves, values, gradients;  // views of its rows; the last three without buffers
  };

  Outputs run(std::span<const Gathered> batches, std::int64_t active, Pass pass) {
    outputs_.clear();
    for (std::int64_t k = 0; k < active; ++k) {
      outputs_.push_back(model_->forward(clients_[k].parameters, batches[k], pass));
    }
    return stacked(outputs_);
  }

  std::shared_ptr<const TensorModel> model_;
  ParameterRows rows_;
  std::vector<Client> clients_;
  std::vector<Outputs> outputs_;
};

class AutogradLearnable final : public Learnable {
 public:
  AutogradLearnable(const Form& form, std::shared_ptr<const TensorModel> model, at::Device device)
      : form_(form), model_(std::move(model)) {
    layout_.device = device;
    for (const Parameter& p : model_->parameters()) layout_.add(p.name, p.shape, p.role);
  }

  const Form& form() const override { return form_; }
  const ParameterLayout& layout() const override { return layout_; }
  at::Tensor initial_parameters(RandomKey key) const override {
    at::Tensor out = at::zeros({layout_.size}, at::kFloat);
    const std::span<float> values(out.mutable_data_ptr<float>(), layout_.size);
    std::int64_t stream = 0;
    for (const Parameter& p : layout_.parameters) {
      RandomStream random(key, stream++);
      model_->initialize(p, values.subspan(p.offset, p.size), random);
    }
    return out.to(layout_.device);
  }
  double flops_per_example() const override { return 3 * model_->forward_flops(); }
  std::unique_ptr<Worker> worker(std::int64_t clients, at::Device device) const override {
    return std::make_unique<AutogradWorker>(model_, layout_, clients, device);
  }

 private:
  Form form_;
  std::shared_ptr<const TensorModel> model_;
  ParameterLayout layout_;
};

}  // namespace

std::shared_ptr<const Learnable> autograd(const Form& form, std::shared_ptr<const TensorModel> model,
                                          at::Device device) {
  return std::make_shared<AutogradLearnable>(form, std::move(model), device);
}

Outputs stacked(std::span<const Outputs> clients) {
  const auto all = [&](at::Tensor Outputs::*which) {
    std::vector<at::Tensor> rows;
    for (const Outputs& o : clients) {
      if ((o.*which).defined()) rows.push_back((o.*which).detach());
    }
    ensure(rows.empty() || rows.size() == clients.size(), "features of {} of {} clients", rows.size(), clients.size());
    return rows.empty() ? at::Tensor() : at::stack(rows);
  };
  return {.scores = all(&Outputs::scores), .features = all(&Outputs::features)};
}

void backward(const Outputs& outputs, const Outputs& gradients, std::int64_t client, std::span<const at::Tensor> leaves,
              std::span<const at::Tensor> targets, const GradientUse& use) {
  std::vector<at::Tensor> from, with;
  const auto add = [&](const at::Tensor& output, const at::Tensor& gradient) {
    if (!gradient.defined() || !output.requires_grad()) return;
    from.push_back(output);
    with.push_back(gradient.select(0, client));
  };
  add(outputs.scores, gradients.scores);
  if (outputs.features.defined()) add(outputs.features, gradients.features);
  std::vector<at::Tensor> found(leaves.size());
  if (!from.empty()) {
    found = torch::autograd::grad(from, {leaves.begin(), leaves.end()}, with, /*retain_graph=*/false,
                                  /*create_graph=*/false, /*allow_unused=*/true);
  }
  const at::NoGradGuard no_autograd;
  for (std::size_t i = 0; i < leaves.size(); ++i) {
    use.change(targets[i], found[i].defined() ? found[i] : at::zeros_like(targets[i]));
  }
}

}  // namespace shoal
