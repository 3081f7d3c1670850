// Max pooling over channels-last images; remembers which pixel of the window won. NaN wins, so that divergence stays
// visible.
#include "sim/nn/layers/max_pool2d.hpp"

#include <ATen/ops/empty.h>
#include <ATen/ops/max_pool2d_with_indices.h>
#include <ATen/ops/max_pool2d_with_indices_backward.h>

#include <algorithm>

#include "sim/error.hpp"

namespace shoal::layers {
namespace {

void take_larger(std::int64_t channels, const float* __restrict x, std::int32_t place, float* __restrict best,
                 std::int32_t* __restrict winner) {
  for (std::int64_t c = 0; c < channels; ++c) {
    const bool wins = (x[c] > best[c]) | (x[c] != x[c]);
    best[c] = wins ? x[c] : best[c];
    winner[c] = wins ? place : winner[c];
  }
}

void give_to_winner(std::int64_t channels, const float* __restrict dy, const std::int32_t* __restrict winner,
                    std::int32_t place, float* __restrict dx) {
  for (std::int64_t c = 0; c < channels; ++c) dx[c] = winner[c] == place ? dy[c] : 0;
}

class StackedMaxPool2d final : public StackedLayer {
 public:
  StackedMaxPool2d(const Activation& input, const Shape& shape, std::int64_t size)
      : size_(size), input_(input), output_(make_output(input, shape)), active_(input.clients()) {
    winners_.resize(input.clients() * output_.value.stride(0));
  }

  const Activation& output() const override { return output_; }
  void use(std::int64_t active) override { active_ = active; }

  void forward() override {
    const float* x = input_.value.const_data_ptr<float>();
    float* y = output_.value.mutable_data_ptr<float>();
    const std::int64_t channels = input_.shape.channels;
    windows([&](std::int64_t from, std::int64_t to) {
      std::copy_n(x + from, channels, y + to);
      std::fill_n(winners_.data() + to, channels, 0);
      places([&](std::int32_t place, std::int64_t step) {
        if (place > 0) take_larger(channels, x + from + step, place, y + to, winners_.data() + to);
      });
    });
  }

  void backward(const GradientUse&) override {
    if (!input_.gradient.defined()) return;
    const float* dy = output_.gradient.const_data_ptr<float>();
    float* dx = input_.gradient.mutable_data_ptr<float>();
    const Shape &in = input_.shape, &out = output_.shape;
    const bool covered = out.height * size_ == in.height && out.width * size_ == in.width;
    if (!covered) std::fill_n(dx, active_ * input_.gradient.stride(0), 0.0F);
    windows([&](std::int64_t from, std::int64_t to) {
      places([&](std::int32_t place, std::int64_t step) {
        give_to_winner(in.channels, dy + to, winners_.data() + to, place, dx + from + step);
      });
    });
  }

 private:
  // Calls window(offset of its first pixel in the input, offset of its pixel in the output) for each window.
  template <class Window>
  void windows(const Window& window) const {
    const Shape &in = input_.shape, &out = output_.shape;
    for (std::int64_t k = 0; k < active_; ++k) {
      std::int64_t from = k * input_.value.stride(0), to = k * output_.value.stride(0);
      for (std::int64_t image = 0; image < input_.batch(); ++image, from += in.size()) {
        for (std::int64_t i = 0; i < out.height; ++i) {
          for (std::int64_t j = 0; j < out.width; ++j, to += in.channels) {
            window(from + (i * in.width + j) * size_ * in.channels, to);
          }
        }
      }
    }
  }

  // Calls visit(number of the pixel in the window, offset from the window's first pixel) for each pixel.
  template <class Visit>
  void places(const Visit& visit) const {
    for (std::int64_t i = 0; i < size_; ++i) {
      for (std::int64_t j = 0; j < size_; ++j) {
        visit(i * size_ + j, (i * input_.shape.width + j) * input_.shape.channels);
      }
    }
  }

  std::int64_t size_;
  Activation input_, output_;
  std::int64_t active_;
  std::vector<std::int32_t> winners_;
};

class LibraryMaxPool2d final : public StackedLayer {
 public:
  LibraryMaxPool2d(const Activation& input, const Shape& shape, std::int64_t size)
      : size_{size, size},
        input_(input),
        output_(make_output(input, shape)),
        winners_(at::empty(output_.value.sizes(), input.value.options().dtype(at::kLong))) {
    LibraryMaxPool2d::use(input.clients());
  }

  const Activation& output() const override { return output_; }
  void use(std::int64_t active) override {
    // All clients at once where there are no gaps between them, as with most numbers of channels.
    const bool at_once = input_.value.is_contiguous() && output_.value.is_contiguous();
    active_.clear();
    for (std::int64_t k = 0; k < (at_once ? 1 : active); ++k) active_.push_back(make(k, at_once ? active : 1));
  }
  void forward() override {
    for (Views& v : active_) at::max_pool2d_with_indices_out(v.y, v.winners, v.x, size_, size_);
  }
  void backward(const GradientUse&) override {
    if (!input_.gradient.defined()) return;
    for (Views& v : active_) {
      at::max_pool2d_with_indices_backward_out(v.dx, v.dy, v.x, size_, size_, zero_, one_, false, v.winners);
    }
  }

 private:
  struct Views {
    at::Tensor x, dx, y, dy, winners;  // [images, channels, height, width], channels innermost in memory
  };
  Views make(std::int64_t first, std::int64_t clients) const {
    const auto images = [&](const at::Tensor& t, const Shape& s) {
      if (!t.defined()) return t;
      return t.narrow(0, first, clients)
          .view({clients * input_.batch(), s.height, s.width, s.channels})
          .permute({0, 3, 1, 2});
    };
    return {images(input_.value, input_.shape), images(input_.gradient, input_.shape),
            images(output_.value, output_.shape), images(output_.gradient, output_.shape),
            images(winners_, output_.shape)};
  }

  std::vector<std::int64_t> size_, zero_{0, 0}, one_{1, 1};
  Activation input_, output_;
  at::Tensor winners_;
  std::vector<Views> active_;
};

class MaxPool2d final : public Layer {
 public:
  explicit MaxPool2d(std::int64_t size) : size_(size) { ensure(size > 0, "max pooling over windows of {}", size); }

  std::string_view kind() const override { return "pool"; }
  Shape output(const Shape& input) const override {
    const Shape out{input.channels, input.height / size_, input.width / size_};
    if (out.size() == 0) {
      user_error("images of {} x {} are too small for {} x {} pooling. Choose another model.", input.height,
                 input.width, size_, size_);
    }
    return out;
  }
  std::unique_ptr<StackedLayer> stack(const Activation& input, const ParameterRows&, std::span<const Parameter>,
                                      const StackForm& form) const override {
    if (form.arithmetic == StackForm::Arithmetic::library) {
      return std::make_unique<LibraryMaxPool2d>(input, output(input.shape), size_);
    }
    return std::make_unique<StackedMaxPool2d>(input, output(input.shape), size_);
  }

 private:
  std::int64_t size_;
};

}  // namespace

std::shared_ptr<const Layer> max_pool2d(std::int64_t size) { return std::make_shared<MaxPool2d>(size); }

}  // namespace shoal::layers
