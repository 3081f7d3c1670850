#include "sim/nn/layers/residual.hpp"

#include <ATen/ops/add.h>

#include "sim/error.hpp"
#include "sim/nn/layer_stack.hpp"

namespace shoal::layers {
namespace {

// The layers inside work on copies of the input, since they may change it in place.
class StackedResidual final : public StackedLayer {
 public:
  StackedResidual(const Activation& input, const Network& block, const std::optional<Network>& shortcut,
                  const ParameterRows& rows, std::span<const Parameter> own, const StackForm& form)
      : all_in_(input), all_out_(make_output(input, block.output())) {
    const std::size_t in_block = block.layout().parameters.size();
    paths_.push_back(path(block, rows, own.first(in_block), form));
    if (shortcut) paths_.push_back(path(*shortcut, rows, own.subspan(in_block), form));
    StackedResidual::use(input.clients());
  }

  const Activation& output() const override { return all_out_; }
  void use(std::int64_t active) override {
    in_ = all_in_.first(active);
    out_ = all_out_.first(active);
    for (Path& path : paths_) {
      path.in = path.all_in.first(active);
      path.out = path.layers.output().first(active);
      path.layers.use(active);
    }
  }

  void forward() override {
    for (Path& path : paths_) {
      path.in.value.copy_(in_.value);
      path.layers.forward();
    }
    add();
  }
  void evaluate() override {
    for (Path& path : paths_) {
      path.in.value.copy_(in_.value);
      path.layers.evaluate();
    }
    add();
  }

  void backward(const GradientUse& use) override {
    for (Path& path : paths_) {
      path.out.gradient.copy_(out_.gradient);
      path.layers.backward(use);
    }
    if (!in_.gradient.defined()) return;
    at::add_out(in_.gradient, paths_.front().in.gradient,
                paths_.size() > 1 ? paths_.back().in.gradient : out_.gradient);
  }

 private:
  struct Path {
    Activation all_in, in, out;  // `in` and `out` are those of the active clients
    LayerStack layers;
  };
  Path path(const Network& network, const ParameterRows& rows, std::span<const Parameter> own, const StackForm& form) {
    Activation input = make_output(all_in_, all_in_.shape);
    if (!all_in_.gradient.defined()) input.gradient.reset();
    return {input, {}, {}, LayerStack(network, input, rows, own, form)};
  }
  void add() {
    at::add_out(out_.value, paths_.front().out.value, paths_.size() > 1 ? paths_.back().out.value : in_.value);
  }

  Activation all_in_, all_out_, in_, out_;
  std::vector<Path> paths_;  // the block, and the shortcut if it has layers
};

class Residual final : public Layer {
 public:
  Residual(Network block, std::optional<Network> shortcut) : block_(std::move(block)), shortcut_(std::move(shortcut)) {
    const Shape& beside = shortcut_ ? shortcut_->output() : block_.input();
    ensure(block_.output() == beside && (!shortcut_ || shortcut_->input() == block_.input()),
           "the shapes of a residual block and its shortcut differ");
    ensure(!block_.layout().parameters.empty() && (!shortcut_ || !shortcut_->layout().parameters.empty()),
           "a residual block or its shortcut has no parameters");
  }

  std::string_view kind() const override { return "residual"; }
  Shape output(const Shape& input) const override {
    ensure(input == block_.input(), "a residual block was made for another shape");
    return block_.output();
  }
  std::vector<Parameter> parameters(const Shape&) const override {
    std::vector<Parameter> own = block_.layout().parameters;
    if (!shortcut_) return own;
    for (Parameter p : shortcut_->layout().parameters) {
      p.name.insert(0, "shortcut.");
      own.push_back(std::move(p));
    }
    return own;
  }
  void initialize(std::span<float> values, const Shape&, RandomStream& random) const override {
    block_.initialize(values.first(block_.layout().size), random);
    if (shortcut_) shortcut_->initialize(values.subspan(block_.layout().size), random);
  }
  double flops(const Shape&) const override {
    return block_.forward_flops() + (shortcut_ ? shortcut_->forward_flops() : 0);
  }
  std::unique_ptr<StackedLayer> stack(const Activation& input, const ParameterRows& rows,
                                      std::span<const Parameter> own, const StackForm& form) const override {
    return std::make_unique<StackedResidual>(input, block_, shortcut_, rows, own, form);
  }

 private:
  Network block_;
  std::optional<Network> shortcut_;
};

}  // namespace

std::shared_ptr<const Layer> residual(Network block, std::optional<Network> shortcut) {
  return std::make_shared<Residual>(std::move(block), std::move(shortcut));
}

}  // namespace shoal::layers
