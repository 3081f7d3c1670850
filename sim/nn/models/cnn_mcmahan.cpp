// The CNN of McMahan and others, 2017 (arXiv 1602.05629): two 5 x 5 convolutions (32 and 64 channels), each with ReLU
// and 2 x 2 max pooling, and a dense layer of 512. 1,663,370 parameters on 28 x 28 images with 10 classes.
#include "sim/nn/layers/conv2d.hpp"
#include "sim/nn/layers/flatten.hpp"
#include "sim/nn/layers/linear.hpp"
#include "sim/nn/layers/max_pool2d.hpp"
#include "sim/nn/layers/relu.hpp"
#include "sim/nn/model.hpp"
#include "sim/nn/shrink.hpp"

namespace shoal::models {
namespace {

class CnnMcMahan final : public Model {
 public:
  explicit CnnMcMahan(const Settings& settings) : shrink_(settings) {}

  std::shared_ptr<const Learnable> build(const Form& form, at::Device device) const override {
    return shrink_.build(device, [&](const Shrunk& shrunk) {
      Network net(form);
      shrunk.hidden(net, layers::conv2d(shrunk.width(32), 5, 2)).add(layers::relu()).add(layers::max_pool2d(2));
      shrunk.hidden(net, layers::conv2d(shrunk.width(64), 5, 2)).add(layers::relu()).add(layers::max_pool2d(2));
      net.add(layers::flatten());
      shrunk.hidden(net, layers::linear(shrunk.width(512))).add(layers::relu()).add(layers::linear(form.classes));
      return net;
    });
  }

 private:
  Shrink shrink_;
};

}  // namespace

std::unique_ptr<Model> cnn_mcmahan(Settings& settings) { return std::make_unique<CnnMcMahan>(settings); }

}  // namespace shoal::models
