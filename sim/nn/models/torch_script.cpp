// A module from a file of TorchScript (torch.jit.save), differentiated by LibTorch. It starts from the parameters in
// the file; its buffers of floats, such as running statistics, travel with the update. No dropout.
#include "sim/nn/torch_script.hpp"

#include "sim/nn/model.hpp"

namespace shoal::models {
namespace {

class TorchScript final : public Model {
 public:
  explicit TorchScript(const Settings& settings)
      : file_(settings.text("file", "model.pt", "the module's file")),
        flops_(settings.number("forward_flops", 0,
                               "floating-point operations of the forward pass for one example; 0: two per parameter",
                               at_least(0))) {}

  std::shared_ptr<const Learnable> build(const Form& form, at::Device device) const override {
    return shoal::torch_script(file_, form, device, flops_);
  }

 private:
  std::string file_;
  double flops_;
};

}  // namespace

std::unique_ptr<Model> torch_script(Settings& settings) { return std::make_unique<TorchScript>(settings); }

}  // namespace shoal::models
