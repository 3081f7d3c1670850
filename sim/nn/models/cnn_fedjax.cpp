// Two 3 x 3 convolutions (32 and 64 channels), 2 x 2 max pooling and a dense layer of 128: the EMNIST model of FedJAX
// (arXiv 2108.02117), without its dropout. 1,199,882 parameters on 28 x 28 images with 10 classes.
#include "sim/nn/layers/conv2d.hpp"
#include "sim/nn/layers/flatten.hpp"
#include "sim/nn/layers/linear.hpp"
#include "sim/nn/layers/max_pool2d.hpp"
#include "sim/nn/layers/relu.hpp"
#include "sim/nn/model.hpp"

namespace shoal::models {
namespace {

class CnnFedJax final : public Model {
 public:
  std::shared_ptr<const Learnable> build(const Form& form, at::Device device) const override {
    auto net = std::make_shared<Network>(form);
    net->on(device).add(layers::conv2d(32, 3)).add(layers::relu());
    net->add(layers::conv2d(64, 3)).add(layers::relu()).add(layers::max_pool2d(2));
    net->add(layers::flatten()).add(layers::linear(128)).add(layers::relu()).add(layers::linear(form.classes));
    return net;
  }
};

}  // namespace

std::unique_ptr<Model> cnn_fedjax(Settings&) { return std::make_unique<CnnFedJax>(); }

}  // namespace shoal::models
