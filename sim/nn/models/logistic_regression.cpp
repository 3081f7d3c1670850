// One dense layer and softmax: multinomial logistic regression, convex. 7,850 parameters on 28 x 28 images.
#include "sim/nn/layers/flatten.hpp"
#include "sim/nn/layers/linear.hpp"
#include "sim/nn/model.hpp"

namespace shoal::models {
namespace {

class LogisticRegression final : public Model {
 public:
  std::shared_ptr<const Learnable> build(const Form& form, at::Device device) const override {
    auto net = std::make_shared<Network>(form);
    net->on(device).add(layers::flatten()).add(layers::linear(form.classes));
    return net;
  }
};

}  // namespace

std::unique_ptr<Model> logistic_regression(Settings&) { return std::make_unique<LogisticRegression>(); }

}  // namespace shoal::models
