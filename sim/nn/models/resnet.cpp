// The residual network for small images of He and others, 2016 (arXiv 1512.03385, section 4.2): depth 6 n + 2, three
// stages of n blocks with 16, 32 and 64 channels, with 1 x 1 convolutions as shortcuts where the shape changes. With
// group norm, as Hsieh and others, 2020 (arXiv 1910.00189) advise for clients with different data, or with batch norm.
// 272,474 parameters at depth 20 for 32 x 32 colour images with 10 classes (and 1,568 running statistics with batch
// norm).
#include "sim/nn/layers/avg_pool2d.hpp"
#include "sim/nn/layers/batch_norm.hpp"
#include "sim/nn/layers/conv2d.hpp"
#include "sim/nn/layers/group_norm.hpp"
#include "sim/nn/layers/linear.hpp"
#include "sim/nn/layers/relu.hpp"
#include "sim/nn/layers/residual.hpp"
#include "sim/nn/model.hpp"
#include "sim/nn/shrink.hpp"

namespace shoal::models {
namespace {

using layers::Bias;

class ResNet final : public Model {
 public:
  explicit ResNet(const Settings& settings)
      : depth_(settings.integer("depth", 8, "layers with weights on the longest path: 8, 14, 20 and so on",
                                between(8, 1202))),
        batch_norm_(settings.choice("norm", false, {{"group", false}, {"batch", true}}, "what normalizes")),
        groups_(settings.integer("groups", 8, "groups of channels, for group norm", between(1, 16))),
        shrink_(settings) {
    if (depth_ % 6 != 2) {
      user_error("{}: a depth of {} (it must be 6 n + 2). Use 8, 14, 20 ...", settings.where(), depth_);
    }
    if (16 % groups_ != 0) {
      user_error("{}: {} groups do not divide 16 channels. Use 1, 2, 4, 8 or 16.", settings.where(), groups_);
    }
  }

  std::shared_ptr<const Learnable> build(const Form& form, at::Device device) const override {
    return shrink_.build(device, [&](const Shrunk& shrunk) {
      Network net(form);
      shrunk.hidden(net, convolution(shrunk.width(16))).add(norm()).add(layers::relu());
      for (const std::int64_t channels : {16, 32, 64}) {
        for (std::int64_t i = 0; i < (depth_ - 2) / 6; ++i) {
          const std::int64_t stride = i == 0 && channels > 16 ? 2 : 1;
          net.add(block(net.output(), shrunk, channels, stride)).add(layers::relu());
        }
      }
      net.add(layers::global_avg_pool2d()).add(layers::linear(form.classes));
      return net;
    });
  }

 private:
  std::shared_ptr<const Layer> norm() const { return batch_norm_ ? layers::batch_norm() : layers::group_norm(groups_); }
  static std::shared_ptr<const Layer> convolution(std::int64_t channels, std::int64_t stride = 1) {
    return layers::conv2d(channels, 3, 1, stride, Bias::none);
  }
  std::shared_ptr<const Layer> block(const Shape& input, const Shrunk& shrunk, std::int64_t of_whole,
                                     std::int64_t stride) const {
    const std::int64_t channels = shrunk.width(of_whole);
    Network path(input);
    shrunk.hidden(path, convolution(channels, stride)).add(norm()).add(layers::relu());
    shrunk.hidden(path, convolution(channels)).add(norm());
    if (stride == 1) return layers::residual(std::move(path));
    Network shortcut(input);
    shrunk.hidden(shortcut, layers::conv2d(channels, 1, 0, stride, Bias::none)).add(norm());
    return layers::residual(std::move(path), std::move(shortcut));
  }

  std::int64_t depth_;
  bool batch_norm_;
  std::int64_t groups_;
  Shrink shrink_;
};

}  // namespace

std::unique_ptr<Model> resnet(Settings& settings) { return std::make_unique<ResNet>(settings); }

}  // namespace shoal::models
