// Dense layers with ReLU between them. The default widths are the 2NN of McMahan et al. 2017 (arXiv 1602.05629):
// 199,210 parameters on 28 x 28 images with 10 classes.
#include "sim/nn/layers/flatten.hpp"
#include "sim/nn/layers/linear.hpp"
#include "sim/nn/layers/relu.hpp"
#include "sim/nn/model.hpp"
#include "sim/nn/shrink.hpp"

namespace shoal::models {
namespace {

class Mlp final : public Model {
 public:
  explicit Mlp(const Settings& settings)
      : widths_(settings.integers("widths", {200, 200}, "units of each hidden layer", at_least(1))),
        shrink_(settings) {}

  std::shared_ptr<const Learnable> build(const Form& form, at::Device device) const override {
    return shrink_.build(device, [&](const Shrunk& shrunk) {
      Network net(form);
      net.add(layers::flatten());
      for (const std::int64_t width : widths_) {
        shrunk.hidden(net, layers::linear(shrunk.width(width))).add(layers::relu());
      }
      net.add(layers::linear(form.classes));
      return net;
    });
  }

 private:
  std::vector<std::int64_t> widths_;
  Shrink shrink_;
};

}  // namespace

std::unique_ptr<Model> mlp(Settings& settings) { return std::make_unique<Mlp>(settings); }

}  // namespace shoal::models
