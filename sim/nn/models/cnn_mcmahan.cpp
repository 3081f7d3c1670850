// The CNN of McMahan and others, 2017 (arXiv 1602.05629): two 5 x 5 convolutions (32 and 64 channels), each with ReLU
// and 2 x 2 max pooling, and a dense layer of 512. 1,663,370 parameters on 28 x 28 images with 10 classes.
#include "sim/nn/layers/conv2d.hpp"
#include "sim/nn/layers/flatten.hpp"
#include "sim/nn/layers/linear.hpp"
#include "sim/nn/layers/max_pool2d.hpp"
#include "sim/nn/layers/relu.hpp"
#include "sim/nn/model.hpp"

namespace shoal::models {
namespace {

class CnnMcMahan final : public Model {
 public:
  std::shared_ptr<const Learnable> build(const Form& form, at::Device device) const override {
    auto net = std::make_shared<Network>(form);
    net->on(device).add(layers::conv2d(32, 5, 2)).add(layers::relu()).add(layers::max_pool2d(2));
    net->add(layers::conv2d(64, 5, 2)).add(layers::relu()).add(layers::max_pool2d(2));
    net->add(layers::flatten()).add(layers::linear(512)).add(layers::relu()).add(layers::linear(form.classes));
    return net;
  }
};

}  // namespace

std::unique_ptr<Model> cnn_mcmahan(Settings&) { return std::make_unique<CnnMcMahan>(); }

}  // namespace shoal::models
