// Two 3 x 3 convolutions (32 and 64 channels), 2 x 2 max pooling and a dense layer of 128: the EMNIST model of FedJAX
// (arXiv 2108.02117), without its dropout. 1,199,882 parameters on 28 x 28 images with 10 classes.
#include "sim/nn/layers/conv2d.hpp"
#include "sim/nn/layers/flatten.hpp"
#include "sim/nn/layers/linear.hpp"
#include "sim/nn/layers/max_pool2d.hpp"
#include "sim/nn/layers/relu.hpp"
#include "sim/nn/model.hpp"
#include "sim/nn/shrink.hpp"

namespace shoal::models {
namespace {

class CnnFedJax final : public Model {
 public:
  explicit CnnFedJax(const Settings& settings) : shrink_(settings) {}

  std::shared_ptr<const Learnable> build(const Form& form, at::Device device) const override {
    return shrink_.build(device, [&](const Shrunk& shrunk) {
      Network net(form);
      shrunk.hidden(net, layers::conv2d(shrunk.width(32), 3)).add(layers::relu());
      shrunk.hidden(net, layers::conv2d(shrunk.width(64), 3)).add(layers::relu()).add(layers::max_pool2d(2));
      net.add(layers::flatten());
      shrunk.hidden(net, layers::linear(shrunk.width(128))).add(layers::relu()).add(layers::linear(form.classes));
      return net;
    });
  }

 private:
  Shrink shrink_;
};

}  // namespace

std::unique_ptr<Model> cnn_fedjax(Settings& settings) { return std::make_unique<CnnFedJax>(settings); }

}  // namespace shoal::models
