#include "sim/nn/worker_layer.hpp"

namespace shoal {

Shape input_shape(const Form& form, std::int64_t length) {
  return form.features == Form::Features::tokens ? Shape{length, 1, 1} : form.shape;
}

WorkerLayer::WorkerLayer(const Form& form, Worker& worker, const Activation& input, const Activation& output)
    : worker_(worker),
      input_(input),
      output_(output),
      tokens_(form.features == Form::Features::tokens),
      tokens_out_(form.targets == Form::Targets::tokens),
      active_(input.clients()),
      batches_(input.clients()) {
  const Shape& s = input.shape;
  for (std::int64_t k = 0; k < input.clients(); ++k) {
    const at::Tensor own = input.value.select(0, k), weights = output.weights.select(0, k);
    if (!tokens_) batches_[k].features = own.view({input.batch(), s.height, s.width, s.channels});
    batches_[k].weights = weights;
  }
  scores_ = {input.batch(), output.shape.size()};
  if (tokens_out_) scores_.insert(scores_.begin() + 1, s.size());
}

// Views of the buffers, but for tokens, which are stored as floats, and what follows from the tokens' weights.
std::span<const Gathered> WorkerLayer::batches() {
  for (std::int64_t k = 0; k < active_; ++k) {
    if (tokens_) batches_[k].features = input_.value.select(0, k).to(at::kLong);
    if (tokens_out_) {
      const at::Tensor weights = output_.weights.select(0, k).view({input_.batch(), input_.shape.size()});
      batches_[k].mask = weights.ne(0).to(at::kFloat);
      batches_[k].weights = weights.amax(1);
    }
  }
  return batches_;
}

void WorkerLayer::give(const Outputs& outputs) {
  output_.value.narrow(0, 0, active_).copy_(outputs.scores.flatten(1, -2));
}

void WorkerLayer::backward(const GradientUse& use) {
  std::vector<std::int64_t> sizes{active_};
  sizes.insert(sizes.end(), scores_.begin(), scores_.end());
  worker_.backward({.scores = output_.gradient.narrow(0, 0, active_).view(sizes), .features = {}}, use);
}

}  // namespace shoal
